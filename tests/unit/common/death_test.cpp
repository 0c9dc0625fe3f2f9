#include "common/death.hpp"

#include <set>

#include <catch2/catch.hpp>

#include "common/json.hpp"

using namespace dixis;

namespace {

Death died(How how, Cause cause) {
  Death death;
  death.how = how;
  death.cause = cause;
  if (how == How::exited) death.code = 3;
  if (how == How::signaled) death.signal = "SIGKILL";
  return death;
}

Sender bash() {
  return {219931, "bash", "/usr/bin/bash", 1001};
}

template <class Enum>
std::vector<Enum> all_of() {
  std::vector<Enum> values;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<Enum>>(
      [&](auto enumerator) { values.push_back(enumerator.value); });
  return values;
}

}  // namespace

TEST_CASE("exits say their code, and what 128 and up mean", "[death]") {
  Death death = died(How::exited, Cause::itself);
  CHECK(death_message(death) == "exited with 3");
  death.code = 0;
  CHECK(death_message(death) == "exited with 0");
  death.code = 137;
  CHECK(death_message(death) ==
        "exited with 137: a shell or wrapper reports that its child got SIGKILL");
  death.code = 143;
  CHECK(death_message(death) ==
        "exited with 143: a shell or wrapper reports that its child got SIGTERM");
  death.code = 128;
  CHECK(death_message(death) == "exited with 128");
  death.code = 255;
  CHECK(death_message(death) == "exited with 255");
  death.code.reset();
  CHECK(death_message(death) == "exited, the exit code is unknown");
}

TEST_CASE("a signal says who sent it, as far as that is known", "[death]") {
  Death death = died(How::signaled, Cause::signal_from);
  death.sender = bash();
  CHECK(death_message(death) ==
        "killed by SIGKILL, sent by bash (pid 219931, uid 1001, /usr/bin/bash)");
  death.sender = Sender{219931, "bash", std::nullopt, std::nullopt};
  CHECK(death_message(death) == "killed by SIGKILL, sent by bash (pid 219931)");
  death.sender = Sender{219931, std::nullopt, std::nullopt, std::nullopt};
  CHECK(death_message(death) ==
        "killed by SIGKILL, sent by a process whose name is unknown (pid 219931)");
  death.sender.reset();
  CHECK(death_message(death) == "killed by SIGKILL, who sent it is unknown");

  CHECK(death_message(died(How::signaled, Cause::unknown)) ==
        "killed by SIGKILL; who sent it is unknown");
}

TEST_CASE("a signal that was handled or that a wrapper reports has a sender too", "[death]") {
  Death death = died(How::exited, Cause::signal_from);
  death.sender = bash();
  death.code = 137;
  CHECK(death_message(death) ==
        "exited with 137: a shell or wrapper reports that its child got SIGKILL, sent by bash "
        "(pid 219931, uid 1001, /usr/bin/bash)");
  death.code = 0;
  death.signal = "SIGTERM";
  CHECK(death_message(death) ==
        "exited with 0 after SIGTERM, sent by bash (pid 219931, uid 1001, /usr/bin/bash)");
}

TEST_CASE("a crash of its own names the signal and the core", "[death]") {
  Death death = died(How::signaled, Cause::itself);
  death.signal = "SIGSEGV";
  CHECK(death_message(death) == "killed by SIGSEGV, a fault of its own");
  death.core_dumped = true;
  CHECK(death_message(death) == "dumped core on SIGSEGV, a fault of its own");
}

TEST_CASE("a verb is named with who asked", "[death]") {
  Death death = died(How::signaled, Cause::verb);
  death.signal = "SIGTERM";
  death.detail = "`dixisctl stop` (uid 0)";
  CHECK(death_message(death) == "stopped by `dixisctl stop` (uid 0)");
  death.how = How::exited;
  death.code = 0;
  CHECK(death_message(death) == "stopped by `dixisctl stop` (uid 0)");
  death.code = 1;
  CHECK(death_message(death) == "stopped by `dixisctl stop` (uid 0); it exited with 1");
  death.detail.clear();
  CHECK(death_message(death) == "stopped by an operator's verb; it exited with 1");
}

TEST_CASE("a stop timeout that had to kill is said", "[death]") {
  Death death = died(How::signaled, Cause::verb);
  death.detail = "`dixisctl stop` (uid 0)";
  death.escalated = true;
  CHECK(death_message(death) ==
        "stopped by `dixisctl stop` (uid 0); it did not stop on its stop signal within its stop "
        "timeout and was killed");
  death.signal = "SIGTERM";  // the leader obeyed, a grandchild did not
  CHECK(death_message(death) ==
        "stopped by `dixisctl stop` (uid 0); some of its tree did not stop within the stop timeout "
        "and was killed");
}

TEST_CASE("what dixis did is said with the fact behind it", "[death]") {
  Death death = died(How::signaled, Cause::unhealthy);
  death.signal = "SIGTERM";
  death.detail = "GET /api/health answered 503";
  CHECK(death_message(death) ==
        "stopped because its health probe failed: GET /api/health answered 503");
  death.cause = Cause::oom_app;
  death.detail = "limit 512 MB, peak 512 MB";
  CHECK(death_message(death) ==
        "out of memory: the app reached its own memory limit: limit 512 MB, peak 512 MB");
}

TEST_CASE("what nobody saw is unknown", "[death]") {
  CHECK(death_message(died(How::lost, Cause::unknown)) ==
        "ended while no daemon was watching; how and why are unknown");
  CHECK(death_message(died(How::exited, Cause::unknown)) == "exited with 3; why is unknown");
  Death adopted = died(How::lost, Cause::unknown);
  adopted.detail = "it was started by an earlier dixisd";
  CHECK(death_message(adopted) ==
        "ended; how and why are unknown: it was started by an earlier dixisd");
  // Who ended it was watching.
  adopted.cause = Cause::verb;
  adopted.detail = "`dixisctl stop`";
  CHECK(death_message(adopted) == "stopped by `dixisctl stop`");
}

TEST_CASE("each how and cause has words, and none that the record doesn't hold", "[death]") {
  for (const How how : all_of<How>()) {
    std::set<std::string> different;
    for (const Cause cause : all_of<Cause>()) {
      Death death = died(how, cause);
      const std::string plain = death_message(death);
      INFO(json::enum_name(how) << " " << json::enum_name(cause) << ": " << plain);
      CHECK_FALSE(plain.empty());
      CHECK(different.insert(plain).second);
      CHECK(plain.find("pid") == std::string::npos);
      CHECK(plain.find("uid") == std::string::npos);
      CHECK(plain.find(": ;") == std::string::npos);
      // The end itself is never left out where it adds something.
      if (how == How::lost) CHECK(plain.find("exited") == std::string::npos);
      if (how == How::exited) CHECK(plain.find("exited with 3") != std::string::npos);

      death.detail = "the fact";
      CHECK(death_message(death).find("the fact") != std::string::npos);
    }
  }
}
