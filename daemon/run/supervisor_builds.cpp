// Restarts that a build on disk asks for, or stands in the way of.
#include <spdlog/spdlog.h>

#include "daemon/run/supervisor_impl.hpp"

namespace dixis {

namespace {

Task<void> tell_failure(OperationPtr operation, InstancePtr slot) {
  while (!operation->result()) co_await operation->changed().wait();
  for (const auto& outcome : operation->result()->outcomes) {
    if (!outcome.ok) slot->note_refused_build(outcome.message);
  }
}

}  // namespace

void Supervisor::Impl::restart_for_build(const InstancePtr& slot, const std::string& why) {
  if (ending || desired_of(*slot) == Desired::down) return;
  const std::vector<Target> targets{{slot, true, true}};
  Instance::RestartOptions options{{Cause::new_build, why}, false, {}};
  const auto operation = run_verb(
      targets, {}, lane_deadline(targets.front()),
      [this, options](Target target, Instance::Report report) {
        return restart_one(std::move(target), options, std::move(report));
      },
      Caller{.verb = "new build"});
  boost::asio::co_spawn(services.loop, tell_failure(operation, slot),
                        [](const std::exception_ptr& error) {
                          if (error) std::rethrow_exception(error);
                        });
}

std::optional<Error> Supervisor::busy_build(const Targets& targets) const {
  for (const auto& target : resolve_targets(impl_->apps, targets)) {
    if (auto problem = target.instance->build_problem()) {
      return Error{"not restarted: " + target.instance->label() + ": " + *problem,
                   "without --no-wait, restart waits for it"};
    }
  }
  return std::nullopt;
}

}  // namespace dixis
