#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/model/health_spec.hpp"
#include "daemon/run/launch_plan.hpp"
#include "daemon/run/services.hpp"

namespace dixis {

/// How one probe ended.
struct ProbeAnswer {
  bool good = false;
  /// For people: "200 OK", "500 Internal Server Error", "no answer within 2 s", "cannot connect to
  /// 127.0.0.1:3000: Connection refused", "check.sh exited with 1: disk full".
  std::string text{};
  std::int64_t latency_ms = 0;
};

/// The process that is asked: where it listens, and how a command of its user is run.
struct ProbeTarget {
  std::string app{};
  std::optional<ListenAddress> listen{};  ///< the listener that was found, a number as host
  /// Its private socket, where it has one: asked instead of its own listener, which others share.
  std::optional<std::string> socket{};
  std::optional<std::string> build_id{};  ///< of the manifest probe
  std::string base_path{};                ///< of the manifest probe; "" or "/shop"
  LaunchPlan plan{};                      ///< for exec: its environment and credentials
  std::filesystem::path cwd{};            ///< for exec
  std::string tree_mark{};                ///< for exec: the mark of the probe's own tree
};

/// Asks once, for at most `spec.timeout`; never throws, and cancelled it leaves no process behind.
/// A notify probe has no answer to ask for: see NotifySocket. Loop's thread; blocks nothing.
Task<ProbeAnswer> run_probe(Services& services, ProbeTarget target, ProbeSpec spec);

}  // namespace dixis
