#pragma once

#include <optional>

#include "daemon/sys/process.hpp"

/// How a process ended, asked through its pidfd. Private to daemon/sys.
namespace dixis {

enum class PidfdAnswer {
  status,  ///< `status` is set
  later,   ///< it has ended, its parent hasn't reaped it yet: then the kernel will tell
  never,   ///< this kernel doesn't tell (before 6.15)
};

struct PidfdExit {
  PidfdAnswer answer = PidfdAnswer::never;
  ExitStatus status{};
};

/// PIDFD_GET_INFO: tells the exit status of a process that isn't our child.
PidfdExit ask_pidfd(int pidfd);

/// Whether the process has ended, a zombie included.
bool has_ended(int pidfd);

/// waitid(2) without reaping. nullopt: it lives. An unknown status: it isn't our child.
std::optional<ExitStatus> peek_child(int pidfd);

}  // namespace dixis
