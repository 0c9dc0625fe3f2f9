#include "daemon/sys/reaper.hpp"

#include <csignal>
#include <cstdio>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <catch2/catch.hpp>

#include "daemon/sys/process_table.hpp"
#include "daemon/sys/spawn.hpp"
#include "support.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

/// A shell script that runs under a reaper, as the leader of its session.
struct Running {
  Running(asio::io_context& io, Reaper& reaper, const std::string& script)
      : Running(io, reaper, script, make_pipe()) {}

  std::string line() const { return read_from(out.read, true); }

  Process process;
  Pipe out;

 private:
  Running(asio::io_context& io, Reaper& reaper, const std::string& script, Pipe pipe)
      : out(std::move(pipe)) {
    auto child = spawn_gated(shell(script, out.write)).value();
    reaper.hold(child.process.pid);
    if (await_on(io, open_gate(child))) throw std::runtime_error("the shell doesn't start");
    process = std::move(child.process);
    out.write.reset();
  }
};

bool kernel_tells_exits() {
  utsname name{};
  ::uname(&name);
  int major = 0;
  int minor = 0;
  std::sscanf(name.release, "%d.%d", &major, &minor);
  return std::pair(major, minor) >= std::pair(6, 15);
}

bool is_gone(pid_t pid) {
  return !read_process(pid, false);
}

}  // namespace

TEST_CASE("the end of a leader is told: code or signal", "[sys][reaper]") {
  asio::io_context io;
  Reaper reaper(io);
  const Running exits(io, reaper, "exit 42");
  const auto status = await_on(io, reaper.wait_exit(exits.process));
  CHECK(status.known);
  CHECK(status.code == 42);
  CHECK_FALSE(status.signal);

  const Running killed(io, reaper, "kill -USR1 $$");
  const auto signaled = await_on(io, reaper.wait_exit(killed.process));
  CHECK(signaled.signal == SIGUSR1);
  CHECK_FALSE(signaled.code);
  CHECK_FALSE(signaled.core_dumped);
  reaper.release(exits.process.pid);
  reaper.release(killed.process.pid);
}

TEST_CASE("a leader stays a zombie, its number taken, until it is released", "[sys][reaper]") {
  asio::io_context io;
  Reaper reaper(io);
  const Running leader(io, reaper, "exit 0");
  await_on(io, reaper.wait_exit(leader.process));
  CHECK(await_on(io, reaper.wait_exit(leader.process)).code == 0);  // it can be asked again
  const auto facts = read_process(leader.process.pid, false);
  REQUIRE(facts);
  CHECK(facts->state == 'Z');
  CHECK(facts->start_ticks == leader.process.start_ticks);
  CHECK(send_signal(leader.process, 0));
  reaper.release(leader.process.pid);
  CHECK(is_gone(leader.process.pid));
  CHECK_FALSE(send_signal(leader.process, 0));
  CHECK_FALSE(signal_group(leader.process.pid, 0));
}

TEST_CASE("orphans are reaped, a held zombie in their way or not", "[sys][reaper]") {
  asio::io_context io;
  Reaper reaper(io);
  const bool held_zombie = GENERATE(false, true);
  const Running leader(io, reaper,
                       "sleep 1000 >/dev/null & echo $!; sleep 1000 >/dev/null & echo $!");
  const pid_t first = std::stoi(leader.line());
  const pid_t second = std::stoi(leader.line());
  await_on(io, reaper.wait_exit(leader.process));
  if (!held_zombie) reaper.release(leader.process.pid);

  REQUIRE(::kill(first, SIGKILL) == 0);
  CHECK(await_on(io, eventually([&] { return is_gone(first); })));
  REQUIRE(::kill(second, SIGKILL) == 0);
  CHECK(await_on(io, eventually([&] { return is_gone(second); })));
  if (held_zombie) {
    CHECK(read_process(leader.process.pid, false)->state == 'Z');
    reaper.release(leader.process.pid);
  }
  CHECK(is_gone(leader.process.pid));
}

TEST_CASE("a child that nobody holds is reaped at once", "[sys][reaper]") {
  asio::io_context io;
  Reaper reaper(io);
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  CHECK(await_on(io, eventually([&] { return is_gone(child); })));
}

TEST_CASE("what died before the reaper stood is reaped", "[sys][reaper]") {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
  asio::io_context io;
  const Reaper reaper(io);
  CHECK(is_gone(child));
}

TEST_CASE("a leader that is released alive is reaped when it dies", "[sys][reaper]") {
  asio::io_context io;
  Reaper reaper(io);
  const Running leader(io, reaper, "exec sleep 1000");
  reaper.release(leader.process.pid);
  CHECK(send_signal(leader.process, SIGKILL));
  CHECK(await_on(io, eventually([&] { return is_gone(leader.process.pid); })));
}

TEST_CASE("the end of a process that isn't our child is noticed", "[sys][reaper]") {
  asio::io_context io;
  Reaper reaper(io);
  const Running leader(io, reaper, "sleep 1000 >/dev/null & echo $!; wait $!; exit 0");
  const auto foreign = open_process(std::stoi(leader.line())).value();
  REQUIRE(send_signal(foreign, SIGKILL));
  const auto status = await_on(io, reaper.wait_exit(foreign));
  CHECK(status.known == kernel_tells_exits());
  if (status.known) CHECK(status.signal == SIGKILL);
  CHECK(await_on(io, reaper.wait_exit(leader.process)).code == 0);
  reaper.release(leader.process.pid);
}

TEST_CASE("waiting can be given up, and needs no Process to outlive it", "[sys][reaper]") {
  using asio::experimental::awaitable_operators::operator||;
  asio::io_context io;
  Reaper reaper(io);
  Running leader(io, reaper, "exec sleep 1000");

  const auto impatient = [&]() -> Task<std::size_t> {
    asio::steady_timer timer(io, std::chrono::milliseconds(1));
    const auto first =
        co_await (reaper.wait_exit(leader.process) || timer.async_wait(asio::use_awaitable));
    co_return first.index();
  };
  CHECK(await_on(io, impatient()) == 1);

  const pid_t pid = leader.process.pid;
  auto wait = reaper.wait_exit(leader.process);
  leader.process.pidfd.reset();
  REQUIRE(::kill(pid, SIGTERM) == 0);
  CHECK(await_on(io, std::move(wait)).signal == SIGTERM);
  reaper.release(pid);
}

TEST_CASE("a wait that is never finished ends with the loop", "[sys][reaper]") {
  auto io = std::make_unique<asio::io_context>();
  auto reaper = std::make_unique<Reaper>(*io);
  Running leader(*io, *reaper, "exec sleep 1000");
  asio::co_spawn(*io, reaper->wait_exit(leader.process), asio::detached);
  io->poll();
  CHECK(send_signal(leader.process, SIGKILL));
  const pid_t pid = leader.process.pid;
  reaper.reset();
  leader.process = {};
  io.reset();
  CHECK(::waitpid(pid, nullptr, 0) == pid);
}

TEST_CASE("hundreds of leaders that die at once are all told", "[sys][reaper]") {
  asio::io_context io;
  Reaper reaper(io);
  std::vector<Running> leaders;
  leaders.reserve(200);
  for (int i = 0; i < 200; ++i) leaders.emplace_back(io, reaper, "exec sleep 1000");
  for (const auto& leader : leaders) signal_group(leader.process.pid, SIGKILL);
  for (const auto& leader : leaders) {
    CHECK(await_on(io, reaper.wait_exit(leader.process)).signal == SIGKILL);
    reaper.release(leader.process.pid);
    CHECK(is_gone(leader.process.pid));
  }
}

TEST_CASE("a process is opened by number and start time", "[sys][process]") {
  asio::io_context io;
  Reaper reaper(io);
  const Running leader(io, reaper, "exec sleep 1000");
  const auto& known = leader.process;
  CHECK(known.start_ticks > 0);
  CHECK(open_process(known.pid).value().start_ticks == known.start_ticks);
  CHECK(open_process(known.pid, known.start_ticks).has_value());

  const auto other = open_process(known.pid, known.start_ticks + 1);
  REQUIRE_FALSE(other.has_value());
  CHECK(other.error().message.find("has its number now") != std::string::npos);

  signal_group(known.pid, SIGKILL);
  await_on(io, reaper.wait_exit(known));
  reaper.release(known.pid);
  const auto gone = open_process(known.pid);
  REQUIRE_FALSE(gone.has_value());
  CHECK(gone.error().message == "process " + std::to_string(known.pid) + " is gone");
  CHECK_FALSE(open_process(0).has_value());
  CHECK_FALSE(open_process(-1).has_value());
}

TEST_CASE("a group signal never goes to ourselves or to all", "[sys][process]") {
  CHECK_FALSE(signal_group(0, 0));
  CHECK_FALSE(signal_group(1, 0));
  CHECK_FALSE(signal_group(-1, 0));
}
