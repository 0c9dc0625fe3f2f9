#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

/// Where things are unless told otherwise: the one place that both sides agree in.
namespace dixis {

/// What the defaults depend on. A value, so that tests can make one up.
struct PathFacts {
  uid_t uid = 0;
  /// An environment variable; nullopt if unset. XDG values that aren't absolute are ignored, as the
  /// XDG specification demands.
  std::function<std::optional<std::string>(const char*)> variable{};
};

/// Of this process: effective uid and environment.
PathFacts path_facts();

/// The daemon's defaults.
struct DefaultPaths {
  std::filesystem::path config;       ///< the main file
  std::filesystem::path runtime_dir;  ///< control.sock and what must not outlive a boot
  std::filesystem::path state_dir;
  std::filesystem::path log_dir;
};

/// As root /etc/dixis/dixis.yaml, /run/dixis, /var/lib/dixis, /var/log/dixis; otherwise the XDG
/// directories of the user. Where HOME is unset, relative to /nonexistent: nothing is guessed.
DefaultPaths default_paths(const PathFacts& facts);

/// The socket's name in a runtime directory.
inline constexpr const char* kSocketName = "control.sock";

/// Beside it, for a client that finds no daemon: which logs there are.
inline constexpr const char* kLogPlacesName = "logs.json";

/// Where a client looks, in this order, for the first that exists: $DIXIS_SOCKET alone if set;
/// as root /run/dixis/control.sock; otherwise the user's own, then the system's.
std::vector<std::filesystem::path> socket_candidates(const PathFacts& facts);

}  // namespace dixis
