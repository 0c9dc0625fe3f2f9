#include "daemon/sys/exit_info.hpp"

#include <cerrno>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

namespace dixis {
namespace {

/// struct pidfd_info of linux/pidfd.h in its first version; the headers of Debian 12 lack it.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup_id;
  std::uint32_t pid, tgid, ppid;
  std::uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  std::int32_t exit_code;  ///< as wait(2) encodes it
};
static_assert(sizeof(PidfdInfo) == 64);

constexpr std::uint64_t kInfoExit = 1U << 3U;
const unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);

ExitStatus from_wait_status(int status) {
  if (WIFEXITED(status)) return {true, WEXITSTATUS(status), std::nullopt, false};
  return {true, std::nullopt, WTERMSIG(status), WCOREDUMP(status) != 0};
}

ExitStatus from_siginfo(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return {true, info.si_status, std::nullopt, false};
  return {true, std::nullopt, info.si_status, info.si_code == CLD_DUMPED};
}

}  // namespace

PidfdExit ask_pidfd(int pidfd) {
  PidfdInfo info{};
  info.mask = kInfoExit;
  if (::ioctl(pidfd, kGetInfo, &info) != 0) return {PidfdAnswer::never, {}};
  if ((info.mask & kInfoExit) == 0) return {PidfdAnswer::later, {}};
  return {PidfdAnswer::status, from_wait_status(info.exit_code)};
}

bool has_ended(int pidfd) {
  pollfd entry{pidfd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1 && entry.revents != 0;
}

std::optional<ExitStatus> peek_child(int pidfd) {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOWAIT | WNOHANG) == 0) {
      if (info.si_pid == 0) return std::nullopt;
      return from_siginfo(info);
    }
    if (errno != EINTR) return ExitStatus{false, std::nullopt, std::nullopt, false};
  }
}

}  // namespace dixis
