#include "daemon/sys/trace_record.hpp"

#include <catch2/catch.hpp>

using namespace dixis;

namespace {

SignalSent signal_in(std::string_view line) {
  const auto record = parse_trace_line(line);
  REQUIRE(record);
  REQUIRE(std::holds_alternative<SignalSent>(record->what));
  return std::get<SignalSent>(record->what);
}

}  // namespace

// Lines as Linux 6.18 and 6.1 wrote them.
TEST_CASE("a signal says who sent it, to whom, and when", "[trace]") {
  constexpr std::string_view kLine =
      "            bash-9659    [000] d..1.  2587.235521: signal_generate: sig=9 errno=0 code=0 "
      "comm=sleep pid=9660 grp=1 res=0";
  const auto sent = signal_in(kLine);
  CHECK(sent.sender == 9659);
  CHECK(sent.sender_comm == "bash");
  CHECK(sent.signal == 9);
  CHECK(sent.code == 0);
  CHECK(sent.target == 9660);
  CHECK(sent.target_comm == "sleep");
  CHECK(parse_trace_line(kLine)->at_ms == 2587235);
}

TEST_CASE("negative codes, and a sender whose name wasn't kept", "[trace]") {
  const auto sent = signal_in(
      "           <...>-1234567 [011] d.h2. 12.000001: signal_generate: sig=6 errno=0 code=-6 "
      "comm=node pid=1234567 grp=0 res=0");
  CHECK(sent.sender == 1234567);
  CHECK(sent.sender_comm.empty());
  CHECK(sent.code == -6);
}

TEST_CASE("names of processes can't forge fields", "[trace]") {
  // 15 characters are all that a process can choose.
  const auto sender = signal_in(
      " a-1 [0] d 9.9:-77 [001] d..1. 5.123456: signal_generate: sig=15 errno=0 code=0 comm=x "
      "pid=8 grp=1 res=0");
  CHECK(sender.sender == 77);
  CHECK(sender.sender_comm == "a-1 [0] d 9.9:");
  const auto target = signal_in(
      " sh-77 [001] d..1. 5.123456: signal_generate: sig=15 errno=0 code=0 comm= pid=1 grp=1 re "
      "pid=8 grp=1 res=0");
  CHECK(target.target == 8);
  CHECK(target.target_comm == " pid=1 grp=1 re");
  const auto comm = signal_in(
      " sh-77 [001] d..1. 5.123456: signal_generate: sig=15 errno=0 code=0 comm=a comm=b sig=9 "
      "pid=8 grp=1 res=0");
  CHECK(comm.signal == 15);
}

TEST_CASE("the end of a thread has its status", "[trace]") {
  const auto record = parse_trace_line(
      "              sh-600     [001] .....   31.400123: dixis_ended: (do_exit+0x0/0xb10) "
      "code=768");
  REQUIRE(record);
  const auto& ended = std::get<ThreadEnded>(record->what);
  CHECK(ended.thread == 600);
  CHECK(ended.status == 768);
}

TEST_CASE("a program has its file, whatever that is called", "[trace]") {
  const auto record = parse_trace_line(
      " sh-600 [001] ..... 31.400123: sched_process_exec: filename=/tmp/a pid=7 b pid=600 "
      "old_pid=601");
  REQUIRE(record);
  const auto& started = std::get<ProgramStarted>(record->what);
  CHECK(started.pid == 600);
  CHECK(started.file == "/tmp/a pid=7 b");
}

TEST_CASE("lost records are told", "[trace]") {
  const auto record = parse_trace_line("CPU:1 [LOST 123 EVENTS]");
  REQUIRE(record);
  CHECK(std::get<RecordsLost>(record->what).count == 123);
}

TEST_CASE("what is torn or of another kind is nothing", "[trace]") {
  for (const std::string_view line :
       {"", "# tracer: nop",
        "b-1 [000] d..1. 1.000000: signal_generate: sig=9 errno=0 code=0 comm=a",
        "b pid=8 grp=1 res=0", "x: signal_generate: sig=9 errno=0 code=0 comm=a pid=1 grp=1 res=0",
        "b-1 [000] d..1. 1.000000: signal_deliver: sig=9 errno=0 code=0 sa_handler=0 sa_flags=0",
        "b-x [000] d..1. 1.000000: signal_generate: sig=9 errno=0 code=0 comm=a pid=1 grp=1 res=0",
        "b-1 [000] d..1. now: signal_generate: sig=9 errno=0 code=0 comm=a pid=1 grp=1 res=0"}) {
    CAPTURE(line);
    CHECK_FALSE(parse_trace_line(line));
  }
}
