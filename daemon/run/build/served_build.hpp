#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/result.hpp"
#include "daemon/run/build/build_on_disk.hpp"

namespace dixis {

struct ServedBuildRequest {
  std::optional<std::string> socket{};  ///< path of a Unix socket instead of host and port
  std::string host{};                   ///< a number
  std::uint16_t port = 0;
  BuildOnDisk build{};  ///< what the process must serve
  AppSpec spec{};
  std::optional<Credentials> credentials{};
  bool assets = true;
};

/// What a process has shown of itself.
struct ServedBuild {
  Result<std::string> proof;           ///< in words: "serves build 836NPoCn…, 14 assets"
  std::optional<std::string> other{};  ///< it serves that build, not the one on disk
};

/// Asks the new process which build it serves: the manifest of the id on disk first, then the page;
/// with `assets`, each /_next/static/ asset that the page names must answer 200 and lie on disk.
/// The error names both ids or the asset. Loop's thread; files are looked at by `slow_worker`.
Task<ServedBuild> prove_served_build(Worker& slow_worker, ServedBuildRequest request,
                                     std::chrono::milliseconds timeout);

}  // namespace dixis
