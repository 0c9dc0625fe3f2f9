#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>

#include "common/result.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

/// A process that can't be mistaken for another: pid and start time, held by a pidfd.
struct Process {
  pid_t pid = -1;
  std::uint64_t start_ticks = 0;  ///< field 22 of /proc/PID/stat, clock ticks since boot
  UniqueFd pidfd{};
};

/// Opens a pidfd for `pid` and checks that its start time is `start_ticks` (0: any). The error says
/// that it is gone or that another process has its number.
Result<Process> open_process(pid_t pid, std::uint64_t start_ticks = 0);

/// Whether it has ended, a zombie included.
bool has_ended(const Process& process);

/// pidfd_send_signal(2). False if the process is gone.
bool send_signal(const Process& process, int signal);

/// Signals the process group of `leader`. Safe only while the leader isn't reaped: then its number
/// can't be taken again. False if no process is left in it.
bool signal_group(pid_t leader, int signal);

/// How a process ended, as waitid(2) tells; nullopt members where nobody could be asked.
struct ExitStatus {
  bool known = true;  ///< false: it wasn't our child and the kernel told nothing
  std::optional<int> code{};
  std::optional<int> signal{};
  bool core_dumped = false;
};

}  // namespace dixis
