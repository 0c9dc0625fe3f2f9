#include "daemon/sys/spawn.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <stdexcept>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "daemon/sys/fault.hpp"
#include "daemon/sys/pidfd.hpp"
#include "daemon/sys/proc_files.hpp"
#include "daemon/sys/spawn_child.hpp"
#include "daemon/sys/watched_fd.hpp"

namespace dixis {
namespace {

/// Blocks every signal of this thread, for a child that must not run the daemon's handlers.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() : before_(child::set_signal_mask(~std::uint64_t{0})) {}
  ~AllSignalsBlocked() { child::set_signal_mask(before_); }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;

 private:
  std::uint64_t before_;
};

/// The null-terminated array that exec wants. It points into `strings`.
std::vector<char*> to_exec_array(const std::vector<std::string>& strings) {
  std::vector<char*> array;
  array.reserve(strings.size() + 1);
  for (const auto& text : strings) array.push_back(const_cast<char*>(text.c_str()));
  array.push_back(nullptr);
  return array;
}

/// Whether the child has to change its ids: not if they are what a daemon without root has anyway.
bool must_switch(const std::optional<Credentials>& credentials) {
  if (!credentials) return false;
  return geteuid() == 0 || credentials->uid != geteuid() || credentials->gid != getegid();
}

struct Pair {
  UniqueFd ours;
  UniqueFd childs;
};

/// A socket pair and not a pipe: writing to a child that died must not raise SIGPIPE.
boost::system::result<Pair, SpawnFailure> make_gate() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return SpawnFailure{SpawnStep::fork, errno};
  }
  return Pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

boost::system::result<Pair, SpawnFailure> make_failure_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return SpawnFailure{SpawnStep::fork, errno};
  Pair pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
  if (::fcntl(pair.ours.get(), F_SETFL, O_NONBLOCK) != 0) {
    return SpawnFailure{SpawnStep::fork, errno};
  }
  return pair;
}

std::string subject(SpawnStep step, const SpawnRequest& request) {
  const Credentials who = request.credentials.value_or(Credentials{});
  switch (step) {
    case SpawnStep::fork:
      return "fork";
    case SpawnStep::session:
      return "setsid";
    case SpawnStep::limits:
      return "setting the resource limits";
    case SpawnStep::nice:
      return "setting nice to " + std::to_string(request.nice);
    case SpawnStep::gate:
      return "waiting for the start signal";
    case SpawnStep::groups:
      return "setgroups for user " + who.user;
    case SpawnStep::gid:
      return "setgid to " + std::to_string(who.gid);
    case SpawnStep::uid:
      return "setuid to " + who.user + " (" + std::to_string(who.uid) + ")";
    case SpawnStep::chdir:
      return "chdir " + request.cwd;
    case SpawnStep::stdio:
      return "connecting stdin, stdout and stderr";
    case SpawnStep::exec:
      return "exec " + request.executable;
  }
  return "spawn";
}

}  // namespace

std::string describe(const SpawnFailure& failure, const SpawnRequest& request) {
  std::string text = errno_error(subject(failure.step, request), failure.error).message;
  if (failure.step == SpawnStep::exec && failure.error == ENOENT) {
    text += " (the file, or the interpreter that its first line names)";
  }
  return text;
}

void throw_exception_from_error(const SpawnFailure& failure, const boost::source_location&) {
  throw std::runtime_error(describe(failure, SpawnRequest{}));
}

boost::system::result<GatedChild, SpawnFailure> spawn_gated(const SpawnRequest& request) {
  if (request.passed_fds.size() > child::kMostPassed) {
    return SpawnFailure{SpawnStep::stdio, EMFILE};
  }
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return SpawnFailure{SpawnStep::stdio, errno};
  auto gate = make_gate();
  if (!gate) return gate.error();
  auto failure = make_failure_pipe();
  if (!failure) return failure.error();

  const std::vector<std::string> only_name{request.executable};
  auto argv = to_exec_array(request.argv.empty() ? only_name : request.argv);
  auto environment = to_exec_array(request.environment);
  // The child writes its number behind the sign: 10 digits are more than any pid has.
  std::string listen_pid = "LISTEN_PID=";
  const auto digits_at = listen_pid.size();
  listen_pid.append(11, '\0');
  if (request.tell_pid) environment.insert(environment.begin(), listen_pid.data());
  child::Plan plan;
  plan.executable = request.executable.c_str();
  plan.argv = argv.data();
  plan.environment = environment.data();
  plan.cwd = request.cwd.empty() ? nullptr : request.cwd.c_str();
  plan.umask = request.umask;
  plan.nice = request.nice;
  plan.set_nice = request.nice != ::getpriority(PRIO_PROCESS, 0);
  plan.limits = request.limits.data();
  plan.limit_count = request.limits.size();
  plan.switch_ids = must_switch(request.credentials);
  if (plan.switch_ids) {
    plan.uid = request.credentials->uid;
    plan.gid = request.credentials->gid;
    plan.groups = request.credentials->groups.data();
    plan.group_count = request.credentials->groups.size();
  }
  plan.stdin_fd = request.stdin_fd >= 0 ? request.stdin_fd : null.get();
  plan.stdout_fd = request.stdout_fd >= 0 ? request.stdout_fd : null.get();
  plan.stderr_fd = request.stderr_fd >= 0 ? request.stderr_fd : null.get();
  plan.passed_fds = request.passed_fds.data();
  plan.passed_count = static_cast<int>(request.passed_fds.size());
  if (request.tell_pid) plan.listen_pid = listen_pid.data() + digits_at;
  plan.gate_fd = gate->childs.get();
  plan.failure_fd = failure->childs.get();

  pid_t pid = -1;
  int fork_error = 0;
  {
    const AllSignalsBlocked blocked;
    pid = ::fork();
    if (pid == 0) child::run(plan);
    fork_error = errno;
  }
  if (pid < 0) return SpawnFailure{SpawnStep::fork, fork_error};
  fault::point("forked");

  // Nobody but our reaper, on this thread, waits for it: the pid is still the child's.
  GatedChild child{
      {pid, 0, UniqueFd(pidfd::open(pid))}, std::move(gate->ours), std::move(failure->ours)};
  if (!child.process.pidfd)
    return SpawnFailure{SpawnStep::fork, errno};  // the gate closes: it exits
  if (const auto facts = proc::read_stat(pid)) child.process.start_ticks = facts->start_ticks;
  return child;
}

Task<std::optional<SpawnFailure>> open_gate(GatedChild& child) {
  const UniqueFd gate = std::move(child.gate);
  UniqueFd failure_end = std::move(child.failure);
  const char go = 1;
  const bool opened = ::send(gate.get(), &go, 1, MSG_NOSIGNAL) == 1;
  const int send_error = errno;
  fault::point("gate-opened");
  if (!failure_end) co_return SpawnFailure{SpawnStep::gate, EBADF};

  const auto executor = co_await boost::asio::this_coro::executor;
  WatchedFd failure(executor, std::move(failure_end));
  for (;;) {
    child::Report report{};
    const auto got = ::read(failure.get(), &report, sizeof report);
    if (got == sizeof report) {
      co_return SpawnFailure{static_cast<SpawnStep>(report.step), report.error};
    }
    if (got >= 0) break;  // end-of-file: exec closed it, or the child is dead
    if (errno == EAGAIN) co_await failure.readable();
    // Else a signal came in between: look again.
  }
  if (!opened) co_return SpawnFailure{SpawnStep::gate, send_error};
  co_return std::nullopt;
}

}  // namespace dixis
