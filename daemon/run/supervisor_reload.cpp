// Reloads over many slots, and the slots that have two generations.
#include <algorithm>

#include <spdlog/spdlog.h>

#include "daemon/run/supervisor_impl.hpp"

namespace dixis {

using namespace std::chrono_literals;

namespace {

/// The instances of one app whose reload is under way together.
struct ReloadTurns {
  explicit ReloadTurns(std::size_t parallel) : places(parallel) {}
  Throttle places;
  bool failed = false;
};
using AllTurns = std::map<std::string, std::shared_ptr<ReloadTurns>>;

}  // namespace

/// `heir` is what the slot of `old` holds from now on.
void Supervisor::Impl::take_place(const InstancePtr& old, const InstancePtr& heir) {
  beside.push_back(old);
  const auto app = apps.find(heir->spec().name);
  if (app == apps.end()) return;
  std::replace(app->second.instances.begin(), app->second.instances.end(), old, heir);
}

/// The generations that have no slot of their own: successors, and what is being drained.
std::vector<InstancePtr> Supervisor::Impl::besides() {
  std::vector<InstancePtr> out;
  std::erase_if(beside, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : beside) {
    if (auto instance = weak.lock()) out.push_back(std::move(instance));
  }
  return out;
}

Task<void> Supervisor::Impl::halt_besides() {
  const auto all = besides();
  for (const auto& instance : all) co_await instance->halt();
}

Task<Outcome> Supervisor::Impl::reload_one(Target target, Instance::ReloadOptions options,
                                           Instance::Report report) {
  const auto instance = target.instance->latest();
  if (leaving.contains(instance->spec().name)) co_return refused_as_leaving(instance);
  options.beside = [this](const InstancePtr& successor) { beside.push_back(successor); };
  options.take_place = [this](const InstancePtr& old, const InstancePtr& heir) {
    take_place(old, heir);
  };
  const bool joinable = !options.new_spec;
  VerbLane::Body body = [instance, options, report](VerbTicket ticket) {
    return instance->latest()->reload(std::move(ticket), options, report);
  };
  co_return co_await in_lane(instance, VerbKind::reload, joinable, report, std::move(body));
}

Milliseconds Supervisor::Impl::reload_deadline(const Target& target) const {
  const auto& spec = target.instance->spec();
  const auto turns = (spec.instances + spec.reload.parallel - 1) / spec.reload.parallel;
  const auto each =
      target.instance->start_deadline() + spec.reload.drain + 2 * target.instance->stop_deadline();
  return lane_deadline(target) + turns * each;
}

OperationPtr Supervisor::Impl::reload(std::vector<Target> targets, bool or_restart, Caller caller) {
  std::erase_if(targets, [this](const Target& target) {
    return !target.by_name && desired_of(*target.instance) == Desired::down;
  });
  Milliseconds deadline{0};
  const auto turns = std::make_shared<AllTurns>();
  for (const auto& target : targets) {
    deadline = std::max(deadline, reload_deadline(target));
    const auto& spec = target.instance->spec();
    auto& of_app = (*turns)[spec.name];
    if (!of_app) of_app = std::make_shared<ReloadTurns>(spec.reload.parallel);
  }
  auto changes = desired_changes(targets, Desired::up);
  Instance::ReloadOptions options;
  options.reason = {Cause::verb, to_text(caller)};
  options.or_restart = or_restart;
  return run_verb(
      std::move(targets), std::move(changes), deadline,
      [this, options, turns](Target target, Instance::Report report) {
        return reload_in_turn(std::move(target), options, turns, std::move(report));
      },
      caller, or_restart);
}

/// One after the other, or as many as `parallel` says; where one fails, the rest is left alone.
Task<Outcome> Supervisor::Impl::reload_in_turn(Target target, Instance::ReloadOptions options,
                                               std::shared_ptr<void> all, Instance::Report report) {
  const auto& spec = target.instance->spec();
  const auto turns = std::static_pointer_cast<AllTurns>(all)->at(spec.name);
  const auto place = co_await turns->places.enter();
  if (turns->failed) {
    co_return Outcome{spec.name, target.instance->number(), false,
                      "not reloaded: another instance failed; the old process goes on"};
  }
  auto outcome = co_await reload_one(std::move(target), std::move(options), std::move(report));
  if (!outcome.ok) turns->failed = true;
  co_return outcome;
}

/// What a predecessor had begun: done where its new process serves by now, else done again.
Task<Outcome> Supervisor::Impl::resume_reload(Target target, machine::Reason reason,
                                              bool or_restart, std::uint64_t first,
                                              Instance::Report report) {
  const auto& slot = target.instance->slot();
  const bool serves = slot.current && slot.current->phase == machine::Phase::serving;
  if (serves && slot.current->generation >= first) {
    const auto status = target.instance->status(Desired::up);
    co_return Outcome{status.app, status.instance,
                      true,       "reloaded, and taken back by a new dixisd",
                      status.pid, status.generation};
  }
  Instance::ReloadOptions options;
  options.reason = std::move(reason);
  options.or_restart = or_restart;
  auto reloading = reload_one(std::move(target), std::move(options), std::move(report));
  co_return co_await std::move(reloading);
}

OperationPtr Supervisor::reload(Targets targets, bool or_restart, Caller caller) {
  return impl_->reload(resolve_targets(impl_->apps, targets), or_restart, std::move(caller));
}

/// By slot, the generation that serves in it: the latest that was proven, else the oldest that
/// lives. A crash in the middle of a reload leaves two.
std::map<Supervisor::Impl::SlotName, std::uint64_t> Supervisor::Impl::serving_generations(
    const std::vector<GenerationRecord>& records) const {
  std::map<SlotName, std::uint64_t> out;
  for (const auto& record : records) {
    if (record.boot_id != services.boot || record.phase == Phase::gated) continue;
    if (!open_process(static_cast<pid_t>(record.pid), record.start_ticks)) continue;
    const SlotName slot{record.app, record.instance};
    const bool online = record.phase == Phase::online;
    if (!out.contains(slot) || online) out[slot] = record.generation;
  }
  return out;
}

/// One that a reload had replaced already when the daemon crashed: it is drained and stopped.
void Supervisor::Impl::retire_record(GenerationRecord record, Process process) {
  const auto app = apps.find(record.app);
  const auto heir = app->second.instances.at(record.instance);
  const auto old = std::make_shared<Instance>(services, app->second.spec, record.instance);
  record.phase = Phase::online;
  beside.push_back(old);
  old->retired_for(heir);
  old->adopt(record, std::move(process), Desired::up);
  boost::asio::co_spawn(services.loop, old->finish_retiring(heir),
                        [](const std::exception_ptr& error) {
                          if (error) std::rethrow_exception(error);
                        });
}

}  // namespace dixis
