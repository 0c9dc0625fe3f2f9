#include "daemon/sys/spawn.hpp"

#include <cerrno>
#include <csignal>
#include <random>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>

#include "daemon/sys/reaper.hpp"
#include "support.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

struct Outcome {
  std::optional<SpawnFailure> failure{};
  ExitStatus status{};
  std::string output{};
};

/// Spawns, opens the gate, and waits for the end.
Outcome run(SpawnRequest request) {
  asio::io_context io;
  Reaper reaper(io);
  auto out = make_pipe();
  if (request.stdout_fd < 0) request.stdout_fd = out.write.get();
  auto child = spawn_gated(request).value();
  reaper.hold(child.process.pid);
  out.write.reset();
  Outcome outcome;
  outcome.failure = await_on(io, open_gate(child));
  outcome.output = read_from(out.read);
  outcome.status = await_on(io, reaper.wait_exit(child.process));
  reaper.release(child.process.pid);
  return outcome;
}

SpawnRequest command(std::vector<std::string> argv) {
  SpawnRequest request;
  request.executable = argv.front();
  request.argv = std::move(argv);
  request.environment = {"PATH=/usr/bin:/bin"};
  request.cwd = "/";
  return request;
}

/// Runs `body` in a forked process and returns its exit code.
template <class Body>
int in_fork(Body body) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    int code = 99;
    try {
      code = body();
    } catch (...) {
      code = 98;
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

TEST_CASE("a spawned program gets its arguments, environment, directory and umask",
          "[sys][spawn]") {
  const TemporaryDirectory directory;
  auto request =
      command({"/bin/sh", "-c", "echo \"$1|$NAME|$(pwd)|$(umask)\"; exit 7", "sh", "a b"});
  request.environment.emplace_back("NAME=va lue");
  request.cwd = directory.path();
  request.umask = 027;
  const auto outcome = run(request);
  REQUIRE_FALSE(outcome.failure);
  CHECK(outcome.output == "a b|va lue|" + directory.path().string() + "|0027\n");
  CHECK(outcome.status.known);
  CHECK(outcome.status.code == 7);
  CHECK_FALSE(outcome.status.signal);
}

TEST_CASE("a spawned program has no descriptor, handler or mask of ours", "[sys][spawn]") {
  const UniqueFd leaky(::open("/dev/null", O_RDONLY));  // without close-on-exec, on purpose
  const UniqueFd high(::fcntl(leaky.get(), F_DUPFD, 500));
  asio::io_context io;
  asio::signal_set handled(io, SIGTERM, SIGHUP);
  const auto previous = std::signal(SIGPIPE, SIG_IGN);

  const auto fds = run(command({"/bin/ls", "/proc/self/fd"}));
  const auto status = run(command({"/bin/cat", "/proc/self/status"}));
  std::signal(SIGPIPE, previous);

  CHECK(fds.output == "0\n1\n2\n3\n");  // 3 is ls reading the directory
  for (const auto* field : {"SigBlk:", "SigIgn:", "SigCgt:"}) {
    CHECK(status.output.find(std::string(field) + "\t0000000000000000\n") != std::string::npos);
  }
}

TEST_CASE("a spawned program leads its own session", "[sys][spawn]") {
  const auto outcome =
      run(command({"/bin/sh", "-c", "set -- $(cat /proc/$$/stat); echo $1 $5 $6"}));
  std::istringstream text(outcome.output);
  pid_t pid = 0;
  pid_t group = 0;
  pid_t session = 0;
  text >> pid >> group >> session;
  CHECK(pid > 0);
  CHECK(group == pid);
  CHECK(session == pid);
}

TEST_CASE("limits and nice are set", "[sys][spawn]") {
  auto request = command({"/bin/sh", "-c", "ulimit -Sn; ulimit -Hn; nice"});
  request.limits = {{RLIMIT_NOFILE, 123, 456}};
  request.nice = 5;
  CHECK(run(request).output == "123\n456\n5\n");
}

TEST_CASE("each step of a spawn that fails is named with its errno", "[sys][spawn]") {
  const TemporaryDirectory directory;
  const auto failure_of = [](const SpawnRequest& request) {
    const auto outcome = run(request);
    REQUIRE(outcome.failure);
    CHECK(outcome.status.code == 127);
    return *outcome.failure;
  };

  SECTION("exec of nothing") {
    const auto request = command({"/nonexistent/program"});
    const auto failure = failure_of(request);
    CHECK(failure.step == SpawnStep::exec);
    CHECK(failure.error == ENOENT);
    CHECK(describe(failure, request) ==
          "exec /nonexistent/program: No such file or directory (the file, or the interpreter that "
          "its first line names)");
  }
  SECTION("exec of what isn't executable") {
    const auto failure = failure_of(command({directory.write("plain", "#!/bin/sh\n", 0644)}));
    CHECK(failure.step == SpawnStep::exec);
    CHECK(failure.error == EACCES);
  }
  SECTION("chdir") {
    auto request = command({"/bin/true"});
    request.cwd = directory / "missing";
    const auto failure = failure_of(request);
    CHECK(failure.step == SpawnStep::chdir);
    CHECK(describe(failure, request) == "chdir " + request.cwd + ": No such file or directory");
  }
  SECTION("limits") {
    auto request = command({"/bin/true"});
    request.limits = {{RLIMIT_NOFILE, 100, 50}};
    const auto failure = failure_of(request);
    CHECK(failure.step == SpawnStep::limits);
    CHECK(failure.error == EINVAL);
  }
  SECTION("stdio") {
    auto request = command({"/bin/true"});
    request.stdout_fd = 19999;
    const auto failure = failure_of(request);
    CHECK(failure.step == SpawnStep::stdio);
    CHECK(failure.error == EBADF);
  }
}

TEST_CASE("what needs root fails with its step for others", "[sys][spawn]") {
  const auto step_as_nobody = [](SpawnRequest request) {
    return in_fork([&] {
      if (is_root() && ::setresuid(kNobody, kNobody, kNobody) != 0) return 97;
      const auto outcome = run(std::move(request));
      if (!outcome.failure) return 0;
      CHECK(outcome.failure->error != 0);
      return 10 + static_cast<int>(outcome.failure->step);
    });
  };
  auto other_user = command({"/bin/true"});
  other_user.credentials = Credentials{1, 1, {1}, "daemon", "/", "/bin/sh"};
  CHECK(step_as_nobody(other_user) == 10 + static_cast<int>(SpawnStep::groups));

  auto eager = command({"/bin/true"});
  eager.nice = -10;
  CHECK(step_as_nobody(eager) == 10 + static_cast<int>(SpawnStep::nice));

  CHECK(step_as_nobody(command({"/bin/true"})) == 0);
}

TEST_CASE("root's children become the app's user, groups included", "[sys][spawn]") {
  if (!is_root()) return;
  auto request = command({"/bin/sh", "-c", "id -u; id -g; id -G; grep CapEff /proc/self/status"});
  request.credentials = nobody();
  request.credentials->groups = {kNobody, 4, 27};
  CHECK(run(request).output == "65534\n65534\n65534 4 27\nCapEff:\t0000000000000000\n");
}

TEST_CASE("a child whose gate closes exits without exec", "[sys][spawn]") {
  asio::io_context io;
  Reaper reaper(io);
  auto out = make_pipe();
  Process process;
  {
    auto child = spawn_gated(shell("echo ran", out.write)).value();
    reaper.hold(child.process.pid);
    process = std::move(child.process);
  }
  out.write.reset();
  CHECK(read_from(out.read) == "");  // NOLINT(readability-container-size-empty): shows it
  CHECK(await_on(io, reaper.wait_exit(process)).code == 127);
  reaper.release(process.pid);
}

TEST_CASE("a child that is killed at the gate is a failure of the gate", "[sys][spawn]") {
  asio::io_context io;
  Reaper reaper(io);
  const auto out = make_pipe();
  auto child = spawn_gated(shell("echo ran", out.write)).value();
  reaper.hold(child.process.pid);
  REQUIRE(send_signal(child.process, SIGKILL));
  CHECK(await_on(io, reaper.wait_exit(child.process)).signal == SIGKILL);
  const auto failure = await_on(io, open_gate(child));
  REQUIRE(failure);
  CHECK(failure->step == SpawnStep::gate);
  reaper.release(child.process.pid);
}

TEST_CASE("a signal to a gated child reaches it and not the daemon's handlers", "[sys][spawn]") {
  asio::io_context io;
  Reaper reaper(io);
  asio::signal_set ours(io, SIGTERM);
  bool fired = false;
  ours.async_wait([&](boost::system::error_code error, int) { fired = !error; });
  const auto out = make_pipe();
  auto child = spawn_gated(shell("echo ran", out.write)).value();
  reaper.hold(child.process.pid);
  REQUIRE(send_signal(child.process, SIGTERM));
  CHECK_FALSE(await_on(io, open_gate(child)));
  CHECK(await_on(io, reaper.wait_exit(child.process)).signal == SIGTERM);
  io.poll();
  CHECK_FALSE(fired);
  reaper.release(child.process.pid);
}

TEST_CASE("a daemon that dies at any instant leaves no program behind the gate", "[sys][spawn]") {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // the orphans come to us, to be reaped
  std::mt19937 random(20260102);       // NOLINT(cert-msc51-cpp): reproducible on purpose
  std::uniform_int_distribution<int> after(0, 3000);
  for (int round = 0; round < 300; ++round) {
    INFO("round " << round);
    auto out = make_pipe();
    auto ready = make_pipe();
    const pid_t daemon = ::fork();
    REQUIRE(daemon >= 0);
    if (daemon == 0) {
      if (::write(ready.write.get(), "x", 1) != 1) ::_exit(1);
      const auto child = spawn_gated(shell("echo ran", out.write));
      for (;;) ::pause();
    }
    char byte = 0;
    REQUIRE(::read(ready.read.get(), &byte, 1) == 1);
    // From before the fork to after the child's last step: spread by work, not by sleeping.
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(after(random));
    while (std::chrono::steady_clock::now() < until) {
    }
    REQUIRE(::kill(daemon, SIGKILL) == 0);
    out.write.reset();
    // End-of-file means that nobody holds the pipe: daemon and child are gone.
    REQUIRE(read_from(out.read).empty());
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }
}

TEST_CASE("many children can wait at their gates at once", "[sys][spawn]") {
  asio::io_context io;
  Reaper reaper(io);
  auto out = make_pipe();
  std::vector<GatedChild> children;
  for (int i = 0; i < 50; ++i) {
    children.push_back(spawn_gated(shell("echo x", out.write)).value());
    reaper.hold(children.back().process.pid);
  }
  children.erase(children.begin() + 40,
                 children.end());  // ten change their mind: no later child holds their gates open
  out.write.reset();
  for (auto& child : children) CHECK_FALSE(await_on(io, open_gate(child)));
  for (auto& child : children) {
    CHECK(await_on(io, reaper.wait_exit(child.process)).code == 0);
    reaper.release(child.process.pid);
  }
  CHECK(read_from(out.read).size() == 80);
}

TEST_CASE("what is passed becomes 3, 4, …, and LISTEN_PID is the child", "[spawn]") {
  auto first = make_pipe();
  auto second = make_pipe();
  auto request = command(
      {"/bin/sh", "-c", "echo $$ $LISTEN_PID; echo one >&3; echo two >&4; ls /proc/self/fd"});
  request.passed_fds = {first.write.get(), second.write.get()};
  request.tell_pid = true;
  const auto outcome = run(request);
  first.write.reset();
  second.write.reset();
  CHECK(read_from(first.read) == "one\n");
  CHECK(read_from(second.read) == "two\n");
  std::istringstream said(outcome.output);
  std::string pid;
  std::string told;
  said >> pid >> told;
  CHECK(pid == told);
  std::vector<std::string> open;
  for (std::string fd; said >> fd;) open.push_back(fd);
  CHECK(open == std::vector<std::string>{"0", "1", "2", "3", "4", "5"});  // 5: ls's own directory
}
