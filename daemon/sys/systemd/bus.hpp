#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

#include "common/result.hpp"

namespace dixis {

/// A scope to be made (systemd.scope(5)).
struct ScopeRequest {
  std::string name{};  ///< "dixis-frontend-0-3.scope"
  std::string description{};
  pid_t pid = 0;
  std::chrono::microseconds stop_timeout{};
  // systemd.resource-control(5); nullopt: none of its own.
  std::optional<std::uint64_t> memory_max{};   ///< bytes
  std::optional<std::uint64_t> memory_high{};  ///< bytes
  std::optional<std::uint64_t> cpu_us_per_s{};
  std::optional<std::uint64_t> tasks_max{};
  std::optional<std::uint64_t> io_weight{};
};

/// systemd, asked by D-Bus (org.freedesktop.systemd1(5)): over the manager's own socket, which is
/// for root; where that can't be had, over the system bus. All calls block, each at most for the
/// limit: for a worker. Connects at the first call, and again after the connection broke.
class Bus {
 public:
  explicit Bus(std::chrono::milliseconds limit);
  ~Bus();
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  /// The type of the job that this process's own unit has now: "stop", "restart", …; nullopt: none.
  Result<std::optional<std::string>> own_job_type();

  /// Queues a stop of a unit and doesn't wait for its end.
  Result<void> stop_unit(const std::string& name);

  /// Makes a transient scope with the process in it; done when the process is there.
  Result<void> start_scope(const ScopeRequest& request);

 private:
  struct Connection;
  Result<Connection*> connection();
  Error failed(const std::string& what, int error, const char* detail);

  std::chrono::milliseconds limit_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace dixis
