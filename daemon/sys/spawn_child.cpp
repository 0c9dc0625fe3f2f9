#include "daemon/sys/spawn_child.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace dixis::child {
namespace {

constexpr int kExitFailed = 127;
constexpr int kLastSignal = 64;
// Where the two private descriptors live until exec.
constexpr int kGateFd = 3;
constexpr int kFailureFd = 4;
constexpr int kFirstFree = 5;

/// Ends at once. Not _exit(): a sanitizer's own would write what the daemon has buffered for its
/// standard output to the app's.
[[noreturn]] void leave() {
  for (;;) ::syscall(SYS_exit_group, kExitFailed);
}

[[noreturn]] void fail(int failure_fd, SpawnStep step, int error) {
  const Report report{static_cast<std::int32_t>(step), error};
  // Shorter than PIPE_BUF: all or nothing. If nobody listens any more, nobody has to know.
  [[maybe_unused]] const auto written = ::write(failure_fd, &report, sizeof report);
  leave();
}

/// To default what the daemon handles and what it ignores: ignored signals would survive exec.
void reset_signal_handlers() {
  // The kernel's struct sigaction, all zero: SIG_DFL, no flags. glibc's wrapper refuses 32 and 33.
  const unsigned char default_action[64] = {};
  for (long signal = 1; signal <= kLastSignal; ++signal) {
    ::syscall(SYS_rt_sigaction, signal, default_action, nullptr, sizeof(std::uint64_t));
  }
}

/// Puts the five descriptors where they belong and closes all others.
void arrange_descriptors(const Plan& plan) {
  // First all of them out of the way, so that no dup2 below overwrites one that is still needed.
  const auto lift = [&plan](int fd) {
    const int lifted = ::fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree);
    if (lifted < 0) fail(plan.failure_fd, SpawnStep::stdio, errno);
    return lifted;
  };
  const int failure = lift(plan.failure_fd);
  const int gate = lift(plan.gate_fd);
  const int in = lift(plan.stdin_fd);
  const int out = lift(plan.stdout_fd);
  const int err = lift(plan.stderr_fd);
  if (::dup3(gate, kGateFd, O_CLOEXEC) < 0 || ::dup3(failure, kFailureFd, O_CLOEXEC) < 0 ||
      ::dup2(in, STDIN_FILENO) < 0 || ::dup2(out, STDOUT_FILENO) < 0 ||
      ::dup2(err, STDERR_FILENO) < 0 || ::syscall(SYS_close_range, kFirstFree, ~0U, 0U) != 0) {
    fail(failure, SpawnStep::stdio, errno);
  }
}

/// Returns when the gate opens. The daemon's death, or its change of mind, is end-of-file.
void wait_at_gate() {
  for (;;) {
    char go = 0;
    const auto got = ::read(kGateFd, &go, 1);
    if (got == 1) return;
    if (got == 0 || errno != EINTR) leave();
  }
}

[[noreturn]] void fail(SpawnStep step) {
  fail(kFailureFd, step, errno);
}

void apply_limits(const Plan& plan) {
  for (std::size_t i = 0; i < plan.limit_count; ++i) {
    const SpawnLimit& wanted = plan.limits[i];
    const struct rlimit limit { wanted.soft, wanted.hard };
    if (::setrlimit(static_cast<__rlimit_resource_t>(wanted.resource), &limit) != 0) {
      fail(SpawnStep::limits);
    }
  }
  if (plan.set_nice && ::setpriority(PRIO_PROCESS, 0, plan.nice) != 0 && plan.nice != 0) {
    fail(SpawnStep::nice);  // 0 is the default: nobody asked for it, so a daemon that may not stays
  }
}

/// systemd may have made the daemon less eligible for the kernel's OOM killer; its apps are not
/// (proc_pid_oom_score_adj(5)). Best effort: without /proc there is nothing to do.
void reset_oom_score() {
  const int file = ::open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  char sign = 0;
  if (::read(file, &sign, 1) == 1 && sign == '-') {
    [[maybe_unused]] const auto written = ::pwrite(file, "0", 1, 0);
  }
  ::close(file);
}

void become_user(const Plan& plan) {
  if (!plan.switch_ids) return;
  if (::syscall(SYS_setgroups, plan.group_count, plan.groups) != 0) fail(SpawnStep::groups);
  if (::syscall(SYS_setresgid, plan.gid, plan.gid, plan.gid) != 0) fail(SpawnStep::gid);
  if (::syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid) != 0) fail(SpawnStep::uid);
}

}  // namespace

std::uint64_t set_signal_mask(std::uint64_t mask) {
  constexpr int kSetMask = 2;  // SIG_SETMASK
  std::uint64_t before = 0;
  ::syscall(SYS_rt_sigprocmask, kSetMask, &mask, &before, sizeof mask);
  return before;
}

void run(const Plan& plan) {
  reset_signal_handlers();
  if (::setsid() < 0) fail(plan.failure_fd, SpawnStep::session, errno);
  arrange_descriptors(plan);
  wait_at_gate();

  apply_limits(plan);
  reset_oom_score();
  become_user(plan);
  if (plan.cwd != nullptr && ::chdir(plan.cwd) != 0) fail(SpawnStep::chdir);
  ::umask(plan.umask);
  set_signal_mask(0);
  ::execve(plan.executable, plan.argv, plan.environment);
  fail(SpawnStep::exec);
}

}  // namespace dixis::child
