#pragma once

#include <filesystem>
#include <string>

#include "common/result.hpp"
#include "daemon/sys/fd.hpp"

/// The runtime directory, who owns it, and the socket in it. All of it blocks: before the loop.
namespace dixis {

/// The claim to a runtime directory: an flock on RUNTIME/lock, which says "PID START" of its
/// holder. It ends with the process, however that ends.
struct RuntimeLock {
  UniqueFd fd{};
  std::string found{};  ///< what its last holder left in it; empty if that one said goodbye
};

/// Makes the directory (0755) where there is none, and refuses one that others may write.
Result<void> prepare_runtime_directory(const std::filesystem::path& directory);

/// Takes the lock, or waits up to 2 s for a predecessor that is just ending. The error says who
/// holds it.
Result<RuntimeLock> lock_runtime_directory(const std::filesystem::path& directory);

/// Empties the lock's text: the next holder sees that this one ended by itself.
void say_goodbye(const RuntimeLock& lock);

struct ControlSocket {
  UniqueFd listener{};
  std::filesystem::path path{};  ///< for people
  bool ours = false;             ///< we bound it, so we remove it at the end
};

/// The socket that systemd passed, if it did, else RUNTIME/control.sock, 0666, in place of a stale
/// one: the lock must be held.
Result<ControlSocket> open_control_socket(const std::filesystem::path& directory, UniqueFd passed);

}  // namespace dixis
