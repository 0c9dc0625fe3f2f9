#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <sys/types.h>
#include <vector>

#include "daemon/model/health_spec.hpp"
#include "daemon/model/held_address.hpp"
#include "daemon/model/log_spec.hpp"

/// A configuration after all checks: what an app shall be. Values only.
namespace dixis {

using Milliseconds = std::chrono::milliseconds;

struct Backoff {
  Milliseconds first{100};
  double factor = 2;
  Milliseconds max{30'000};
  double jitter = 0.1;  ///< a delay d becomes d * (1 ± jitter)
  bool operator==(const Backoff&) const = default;
};

struct RestartPolicy {
  enum class On { always, failure, never };
  On on = On::always;
  std::vector<int> not_on{};  ///< exit codes that mean 'do not restart'
  Backoff backoff{};
  std::optional<std::uint32_t> give_up_after{};  ///< consecutive deaths; nullopt: never
  Milliseconds reset_after{30'000};
  bool operator==(const RestartPolicy&) const = default;
};

struct StopPolicy {
  int signal = SIGTERM;
  Milliseconds timeout{15'000};
  bool operator==(const StopPolicy&) const = default;
};

struct StartPolicy {
  Milliseconds timeout{60'000};
  Milliseconds stable{500};
  bool operator==(const StartPolicy&) const = default;
};

struct ReloadPolicy {
  Milliseconds drain{30'000};         ///< how long the old process may finish what it has begun
  std::uint32_t parallel = 1;         ///< instances replaced at a time
  std::vector<std::string> warmup{};  ///< paths that are asked for before the new one is let in
  bool operator==(const ReloadPolicy&) const = default;
};

struct ResourceLimit {
  int resource = 0;  ///< RLIMIT_NOFILE, RLIMIT_CORE
  rlim_t value = 0;  ///< soft and hard; RLIM_INFINITY for none
  bool operator==(const ResourceLimit&) const = default;
};

/// Limits of a whole tree, which only its cgroup can hold it to.
struct TreeLimits {
  std::optional<std::uint64_t> memory{};       ///< bytes; beyond it the kernel kills
  std::optional<std::uint64_t> memory_high{};  ///< bytes; beyond it the kernel slows down
  std::optional<std::uint32_t> cpu_percent{};  ///< of one CPU
  std::optional<std::uint64_t> tasks{};        ///< processes and threads
  std::optional<std::uint64_t> io_weight{};    ///< share of the disk; 100 is usual
  bool operator==(const TreeLimits&) const = default;
};

/// Where an app listens, as far as the configuration tells.
struct ListenAddress {
  std::string host{};  ///< as written; empty: whatever the app chooses
  std::uint16_t port = 0;
  bool operator==(const ListenAddress&) const = default;
};

/// A position in a configuration file; line and column from 1.
struct SourcePosition {
  std::string file{};
  int line = 0;
  int column = 0;
};

struct AppSpec {
  std::string name{};
  std::vector<std::string> command{};
  std::filesystem::path cwd{};  ///< absolute
  std::optional<std::string> user{};
  std::optional<std::string> group{};
  mode_t umask = 022;
  int nice = 0;
  std::vector<std::string> path{};  ///< directories put before PATH
  std::map<std::string, std::string> env{};
  std::vector<std::filesystem::path> env_files{};  ///< absolute; later ones win
  std::vector<HeldAddress> held{};                 ///< `listen`: the sockets that dixisd holds
  std::optional<ListenAddress> listen{};           ///< from `listen` or `port`
  bool no_port = false;                            ///< `port: none`
  std::uint32_t instances = 1;
  std::optional<std::uint32_t> configured_instances{};  ///< where an operator has scaled it
  StartPolicy start{};
  StopPolicy stop{};
  RestartPolicy restart{};
  ReloadPolicy reload{};
  HealthSpec health{};
  std::vector<ResourceLimit> limits{};
  TreeLimits tree_limits{};
  std::optional<std::uint64_t> restart_above{};  ///< bytes of memory
  LogSpec logs{};
  std::vector<std::string> after{};
  std::vector<std::string> tags{};

  SourcePosition defined_at{};
};

/// Who may do what, besides root and the daemon's own uid.
struct Access {
  std::vector<std::string> operator_groups{"dixis"};
  std::vector<std::string> operator_users{};
  std::vector<std::string> viewer_groups{};
  std::vector<std::string> viewer_users{};
  bool operator==(const Access&) const = default;
};

struct Config {
  std::filesystem::path file{};
  Access access{};
  std::optional<std::uint64_t> log_ceiling{};  ///< bytes of all logs together
  std::map<std::string, AppSpec> apps{};       ///< by name
};

}  // namespace dixis
