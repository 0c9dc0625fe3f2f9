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
constexpr int kFirstPassed = 3;

// Where the two private descriptors live until exec: after those that the program gets.
int gate_fd(const Plan& plan) {
  return kFirstPassed + plan.passed_count;
}
int failure_fd(const Plan& plan) {
  return gate_fd(plan) + 1;
}
int first_free(const Plan& plan) {
  return gate_fd(plan) + 2;
}

/// Ends at once. Not _exit(): a sanitizer's own would write what the daemon has buffered for its
/// standard output to the app's.
[[noreturn]] void leave() {
  for (;;) ::syscall(SYS_exit_group, kExitFailed);
}

[[noreturn]] void fail(int to, SpawnStep step, int error) {
  const Report report{static_cast<std::int32_t>(step), error};
  // Shorter than PIPE_BUF: all or nothing. If nobody listens any more, nobody has to know.
  [[maybe_unused]] const auto written = ::write(to, &report, sizeof report);
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

/// Puts the descriptors where they belong and closes all others.
void arrange_descriptors(const Plan& plan) {
  // First all of them out of the way, so that no dup2 below overwrites one that is still needed.
  const auto lift = [&plan](int fd) {
    const int lifted = ::fcntl(fd, F_DUPFD_CLOEXEC, first_free(plan));
    if (lifted < 0) fail(plan.failure_fd, SpawnStep::stdio, errno);
    return lifted;
  };
  const int failure = lift(plan.failure_fd);
  const int gate = lift(plan.gate_fd);
  const int in = lift(plan.stdin_fd);
  const int out = lift(plan.stdout_fd);
  const int err = lift(plan.stderr_fd);
  int passed[kMostPassed];
  for (int i = 0; i < plan.passed_count; ++i) passed[i] = lift(plan.passed_fds[i]);
  for (int i = 0; i < plan.passed_count; ++i) {
    if (::dup2(passed[i], kFirstPassed + i) < 0) fail(failure, SpawnStep::stdio, errno);
  }
  if (::dup3(gate, gate_fd(plan), O_CLOEXEC) < 0 ||
      ::dup3(failure, failure_fd(plan), O_CLOEXEC) < 0 || ::dup2(in, STDIN_FILENO) < 0 ||
      ::dup2(out, STDOUT_FILENO) < 0 || ::dup2(err, STDERR_FILENO) < 0 ||
      ::syscall(SYS_close_range, first_free(plan), ~0U, 0U) != 0) {
    fail(failure, SpawnStep::stdio, errno);
  }
}

/// Returns when the gate opens. The daemon's death, or its change of mind, is end-of-file.
void wait_at_gate(const Plan& plan) {
  for (;;) {
    char go = 0;
    const auto got = ::read(gate_fd(plan), &go, 1);
    if (got == 1) return;
    if (got == 0 || errno != EINTR) leave();
  }
}

[[noreturn]] void fail(const Plan& plan, SpawnStep step) {
  fail(failure_fd(plan), step, errno);
}

/// The number of this process, in decimal digits. Written here: only the child knows it.
void write_listen_pid(const Plan& plan) {
  if (plan.listen_pid == nullptr) return;
  char digits[16];
  int count = 0;
  for (auto rest = ::getpid(); rest > 0; rest /= 10) {
    digits[count++] = static_cast<char>('0' + rest % 10);
  }
  for (int i = 0; i < count; ++i) plan.listen_pid[i] = digits[count - 1 - i];
  plan.listen_pid[count] = '\0';
}

void apply_limits(const Plan& plan) {
  for (std::size_t i = 0; i < plan.limit_count; ++i) {
    const SpawnLimit& wanted = plan.limits[i];
    const struct rlimit limit { wanted.soft, wanted.hard };
    if (::setrlimit(static_cast<__rlimit_resource_t>(wanted.resource), &limit) != 0) {
      fail(plan, SpawnStep::limits);
    }
  }
  if (plan.set_nice && ::setpriority(PRIO_PROCESS, 0, plan.nice) != 0 && plan.nice != 0) {
    fail(plan,
         SpawnStep::nice);  // 0 is the default: nobody asked for it, so a daemon that may not stays
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
  if (::syscall(SYS_setgroups, plan.group_count, plan.groups) != 0) fail(plan, SpawnStep::groups);
  if (::syscall(SYS_setresgid, plan.gid, plan.gid, plan.gid) != 0) fail(plan, SpawnStep::gid);
  if (::syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid) != 0) fail(plan, SpawnStep::uid);
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
  wait_at_gate(plan);
  write_listen_pid(plan);

  apply_limits(plan);
  reset_oom_score();
  become_user(plan);
  if (plan.cwd != nullptr && ::chdir(plan.cwd) != 0) fail(plan, SpawnStep::chdir);
  ::umask(plan.umask);
  set_signal_mask(0);
  ::execve(plan.executable, plan.argv, plan.environment);
  fail(plan, SpawnStep::exec);
}

}  // namespace dixis::child
