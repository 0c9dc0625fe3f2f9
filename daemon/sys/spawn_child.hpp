#pragma once

#include <cstddef>
#include <cstdint>
#include <sys/types.h>

#include "daemon/sys/spawn.hpp"

/// The child's side of a spawn, between fork and exec. Async-signal-safe: system calls only, no
/// allocation, no lock, and no glibc wrapper that asks other threads (the id setters do).
namespace dixis::child {

/// Everything the child needs, as plain pointers into the parent's memory of before the fork.
struct Plan {
  const char* executable = nullptr;
  char* const* argv = nullptr;
  char* const* environment = nullptr;
  const char* cwd = nullptr;  ///< null: stay
  mode_t umask = 022;
  int nice = 0;
  bool set_nice = false;
  const SpawnLimit* limits = nullptr;
  std::size_t limit_count = 0;
  bool switch_ids = false;
  uid_t uid = 0;
  gid_t gid = 0;
  const gid_t* groups = nullptr;
  std::size_t group_count = 0;
  int stdin_fd = -1;
  int stdout_fd = -1;
  int stderr_fd = -1;
  int gate_fd = -1;
  int failure_fd = -1;
  const int* passed_fds = nullptr;  ///< become 3, 4, …
  int passed_count = 0;
  char* listen_pid = nullptr;  ///< in `environment`, after "LISTEN_PID=": room for the pid's digits
};

/// More are refused by spawn_gated.
inline constexpr int kMostPassed = 64;

/// What is written to the failure pipe.
struct Report {
  std::int32_t step = 0;
  std::int32_t error = 0;
};

/// Sets this thread's signal mask, glibc's own signals included (bit N-1 for signal N), and returns
/// the one before.
std::uint64_t set_signal_mask(std::uint64_t mask);

/// Becomes the app. Called with all signals blocked.
[[noreturn]] void run(const Plan& plan);

}  // namespace dixis::child
