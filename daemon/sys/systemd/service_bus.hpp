#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "common/result.hpp"
#include "daemon/sys/systemd/bus.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// systemd as the loop asks it: a Bus on a worker of its own, since a bus may hang. After a call
/// that got no answer the next ones are refused at once for a while. Loop's thread.
class ServiceBus {
 public:
  ServiceBus();

  /// As in Bus; each ends within 2 s, those that wait for others before them included.
  Task<Result<std::optional<std::string>>> own_job_type();
  Task<Result<void>> stop_unit(std::string name);
  Task<Result<void>> start_scope(ScopeRequest request);

 private:
  struct Line;
  template <class T, class Call>
  Task<Result<T>> ask(Call call);

  std::shared_ptr<Line> line_;  ///< touched on the worker only
  Worker worker_{"dixis-bus"};
};

}  // namespace dixis
