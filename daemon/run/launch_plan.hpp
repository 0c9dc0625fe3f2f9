#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "daemon/model/spec.hpp"
#include "daemon/run/environment.hpp"
#include "daemon/sys/process_table.hpp"
#include "daemon/sys/spawn.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// Everything about a spawn that had to be looked up, and was checked.
struct LaunchPlan {
  std::string executable{};
  std::vector<std::string> argv{};
  Environment environment{};
  std::optional<Credentials> credentials{};
  std::optional<ListenAddress> listen{};  ///< where the proof waits for it
};

/// What a preflight is about.
struct PreflightRequest {
  AppSpec spec{};
  GenerationMark mark{};
  /// The generation that runs now: what it holds counts as free.
  std::optional<TreeKey> own{};
  bool check_port = true;
};

/// Checks what a spawn needs, the running process untouched: user, cwd, env_file, command,
/// interpreter, port (for IPv4 and IPv6 as the app will bind it). The error is worded for people.
/// Blocks on files and name services: slow worker only.
Result<LaunchPlan> preflight(const PreflightRequest& request);

/// The same on `slow_worker`, for at most 10 s: files or names that hang are an answer, too.
Task<Result<LaunchPlan>> preflight_on(Worker& slow_worker, PreflightRequest request);

}  // namespace dixis
