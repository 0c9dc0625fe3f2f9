// Restarts because of restart_above.
#include "daemon/run/supervisor_impl.hpp"

namespace dixis {

namespace {

Task<void> tell_failure(OperationPtr operation, EventBus& events) {
  while (!operation->result()) co_await operation->changed().wait();
  for (const auto& outcome : operation->result()->outcomes) {
    if (outcome.ok) continue;
    events.publish({.type = "warning",
                    .app = outcome.app,
                    .instance = outcome.instance,
                    .message = "restart_above: " + outcome.message});
  }
}

}  // namespace

void Supervisor::Impl::restart_for_memory(const InstancePtr& slot, const std::string& why) {
  if (ending || desired_of(*slot) == Desired::down) return;
  const std::vector<Target> targets{{slot, true, true}};
  Instance::RestartOptions options{{Cause::memory_threshold, why}, false, {}};
  const auto operation = run_verb(
      targets, {}, lane_deadline(targets.front()),
      [this, options](Target target, Instance::Report report) {
        return restart_one(std::move(target), options, std::move(report));
      },
      Caller{.verb = "restart_above"});
  boost::asio::co_spawn(services.loop, tell_failure(operation, services.events),
                        [](const std::exception_ptr& error) {
                          if (error) std::rethrow_exception(error);
                        });
}

}  // namespace dixis
