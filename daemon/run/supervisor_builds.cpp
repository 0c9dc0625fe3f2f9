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
  const machine::Reason reason{Cause::new_build, why};
  Body body = [this, reason](Target target, Instance::Report report) {
    Instance::RestartOptions options{reason, false, {}};
    return restart_one(std::move(target), std::move(options), std::move(report));
  };
  if (slot->spec().health.on_new_build == OnNewBuild::reload) {
    body = [this, reason](Target target, Instance::Report report) {
      return reload_for_build(std::move(target), reason, std::move(report));
    };
  }
  const auto operation = run_verb(targets, {}, lane_deadline(targets.front()), std::move(body),
                                  Caller{.verb = "new build"});
  boost::asio::co_spawn(services.loop, tell_failure(operation, slot),
                        [](const std::exception_ptr& error) {
                          if (error) std::rethrow_exception(error);
                        });
}

/// One instance after the other, as each of them sees the new build by itself.
Task<Outcome> Supervisor::Impl::reload_for_build(Target target, machine::Reason reason,
                                                 Instance::Report report) {
  const auto turn = config_turn(target.instance->spec().name);
  const auto place = co_await turn->enter();
  Instance::ReloadOptions options;
  options.reason = std::move(reason);
  options.or_restart = true;
  auto reloading = reload_one(std::move(target), std::move(options), std::move(report));
  co_return co_await std::move(reloading);
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
