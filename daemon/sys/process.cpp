#include "daemon/sys/process.hpp"

#include <cerrno>
#include <csignal>

#include "daemon/sys/exit_info.hpp"
#include "daemon/sys/pidfd.hpp"
#include "daemon/sys/proc_files.hpp"

namespace dixis {
namespace {

Error gone(pid_t pid) {
  return {"process " + std::to_string(pid) + " is gone"};
}

}  // namespace

Result<Process> open_process(pid_t pid, std::uint64_t start_ticks) {
  if (pid <= 0) return Error{"there is no process with the number " + std::to_string(pid)};
  UniqueFd fd(pidfd::open(pid));
  if (!fd) {
    if (errno == ESRCH) return gone(pid);
    return errno_error("cannot watch process " + std::to_string(pid), errno);
  }
  const auto facts = proc::read_stat(pid);
  // Only what lives (or is a zombie) behind the pidfd after the read can be what was read.
  const bool reaped = pidfd::send_signal(fd.get(), 0) != 0 && errno == ESRCH;
  if (!facts || reaped) return gone(pid);
  if (start_ticks != 0 && facts->start_ticks != start_ticks) {
    return Error{"process " + std::to_string(pid) + " is gone; another one (" + facts->comm +
                 ") has its number now"};
  }
  return Process{pid, facts->start_ticks, std::move(fd)};
}

bool has_ended(const Process& process) {
  return !process.pidfd || has_ended(process.pidfd.get());
}

bool send_signal(const Process& process, int signal) {
  // EPERM means that it lives.
  return process.pidfd && (pidfd::send_signal(process.pidfd.get(), signal) == 0 || errno == EPERM);
}

bool signal_group(pid_t leader, int signal) {
  if (leader <= 1) return false;  // -0 and -1 would be our own group and everybody
  return ::kill(-leader, signal) == 0 || errno == EPERM;
}

}  // namespace dixis
