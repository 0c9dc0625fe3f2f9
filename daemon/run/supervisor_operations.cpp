// Verbs that outlive their daemon: each is recorded before it begins, and the next daemon goes on
// with those that hadn't ended. A slot's `first` tells how far its verb had come: a generation from
// that number on is the verb's work, so none is done twice.
#include <algorithm>

#include <spdlog/spdlog.h>

#include "daemon/run/supervisor_impl.hpp"

namespace dixis {

namespace asio = boost::asio;

namespace {

void rethrow(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

Caller caller_of(const OperationRecord& record) {
  return {record.pid, record.uid, record.verb, std::nullopt};
}

bool changes_configuration(const OperationRecord& record) {
  return record.verb != "start" && record.verb != "stop" && record.verb != "restart" &&
         record.verb != "reload";
}

Desired desired_by(const OperationRecord& record) {
  return record.verb == "stop" ? Desired::down : Desired::up;
}

Outcome ended_early(const InstancePtr& instance, const std::string& why) {
  return {instance->spec().name, instance->number(), false, "ended early: " + why};
}

Outcome gone(const std::string& app, std::uint32_t instance) {
  return {app, instance, true, "removed: it has left the configuration"};
}

/// What the verb brings to a slot that a later one has claimed since.
std::optional<Outcome> overtaken(const InstancePtr& instance, Desired wanted, Desired now) {
  if (wanted == now) return std::nullopt;
  return ended_early(instance,
                     now == Desired::down ? "a stop was asked for" : "it was asked to be up again");
}

}  // namespace

OperationPtr Supervisor::Impl::new_operation(Milliseconds deadline, const Caller& caller) {
  const std::string chosen = caller.operation.value_or("");
  const std::string own = std::to_string(started_ms) + "-" + std::to_string(next_operation++);
  return std::make_shared<Operation>(chosen.empty() ? own : chosen, deadline);
}

OperationPtr Supervisor::Impl::accept(const std::vector<Target>& targets, Milliseconds deadline,
                                      const Caller& caller, bool force, std::string file) {
  auto operation = new_operation(deadline, caller);
  if (!caller.operation) return operation;
  OperationRecord record;
  record.verb = caller.verb;
  record.pid = caller.pid;
  record.uid = caller.uid;
  record.force = force;
  record.file = std::move(file);
  for (const auto& target : targets) {
    record.slots.push_back({target.instance->spec().name, target.instance->number(),
                            target.instance->slot().next_generation, target.by_name,
                            target.whole_app});
  }
  operations.enter(operation, std::move(record));
  return operation;
}

std::vector<Target> Supervisor::Impl::targets_of(const OperationRecord& record,
                                                 const std::string& app) const {
  std::vector<Target> out;
  for (const auto& slot : record.slots) {
    const auto found = apps.find(slot.app);
    if (found == apps.end() || slot.instance >= found->second.instances.size()) continue;
    if (!app.empty() && slot.app != app) continue;
    out.push_back({found->second.instances[slot.instance], slot.by_name, slot.whole_app});
  }
  return out;
}

void Supervisor::Impl::reserve_generations(const KnownOperation& unfinished) const {
  for (const auto& slot : unfinished.record.slots) {
    const auto found = apps.find(slot.app);
    if (found == apps.end() || slot.instance >= found->second.instances.size()) continue;
    found->second.instances[slot.instance]->reserve_generations(slot.first);
  }
}

bool Supervisor::knows(const std::string& operation) const {
  return impl_->operations.contains(operation);
}

std::optional<KnownOperation> Supervisor::operation(const std::string& id) const {
  return impl_->operations.find(id);
}

/// The desired states that verbs had brought when the crash came before they were on the disk.
Task<void> Supervisor::Impl::remember_again(const std::vector<KnownOperation>& unfinished) {
  for (const auto& one : unfinished) {
    if (changes_configuration(one.record) || one.record.remembered) continue;
    auto changes = desired_changes(targets_of(one.record), desired_by(one.record));
    const auto durable = co_await services.desired.change(std::move(changes));
    one.operation->set_remembered(durable ? std::nullopt : std::optional(durable.error().message));
  }
}

void Supervisor::Impl::resume(const KnownOperation& unfinished) {
  spdlog::info("goes on with operation {}: {}", unfinished.record.id, unfinished.record.verb);
  if (!changes_configuration(unfinished.record)) return resume_verb(unfinished);
  asio::co_spawn(services.loop, resume_change(unfinished), rethrow);
}

void Supervisor::Impl::resume_verb(const KnownOperation& unfinished) {
  const auto& record = unfinished.record;
  std::map<InstancePtr, std::uint64_t> firsts;
  for (const auto& slot : record.slots) {
    const auto found = apps.find(slot.app);
    if (found == apps.end() || slot.instance >= found->second.instances.size()) continue;
    firsts[found->second.instances[slot.instance]] = slot.first;
  }
  auto targets = targets_of(record);
  const auto successors =
      record.verb == "stop" ? successors_of(targets) : successors_of(std::vector<Target>());
  Body body = [this, record, firsts, successors](Target target, Instance::Report report) {
    if (record.verb == "stop" && desired_of(*target.instance) == Desired::down) {
      const machine::Reason reason{Cause::verb, to_text(caller_of(record))};
      return stop_one(std::move(target), successors, reason, std::move(report));
    }
    const auto first = firsts.at(target.instance);
    return resume_one(std::move(target), record, first, std::move(report));
  };
  asio::co_spawn(services.loop,
                 carry_out(unfinished.operation, std::move(targets), {}, std::move(body)), rethrow);
}

Task<Outcome> Supervisor::Impl::resume_one(Target target, OperationRecord record,
                                           std::uint64_t first, Instance::Report report) {
  const auto now = desired_of(*target.instance);
  if (auto other = overtaken(target.instance, desired_by(record), now)) co_return *other;
  if (record.verb == "start") {
    co_return co_await start_one(std::move(target), caller_of(record), std::move(report));
  }
  const machine::Reason reason{Cause::verb, to_text(caller_of(record))};
  if (record.verb == "reload") {
    auto resuming =
        resume_reload(std::move(target), reason, record.force, first, std::move(report));
    co_return co_await std::move(resuming);
  }
  co_return co_await resume_restart(std::move(target), reason, record.force, first,
                                    std::move(report));
}

Task<Outcome> Supervisor::Impl::resume_restart(Target target, machine::Reason reason, bool force,
                                               std::uint64_t first, Instance::Report report) {
  const auto instance = target.instance->latest();
  auto looking = held_back(instance);
  if (const bool held = co_await std::move(looking); held) {
    co_return Outcome{instance->spec().name, instance->number(), false, instance->slot().message};
  }
  const Instance::RestartOptions options{std::move(reason), force, {}};
  VerbLane::Body body = [instance, options, first, report](VerbTicket ticket) {
    return instance->latest()->finish_restart(std::move(ticket), options, first, report);
  };
  co_return co_await in_lane(instance, VerbKind::restart, false, report, std::move(body));
}

/// A load, add or remove. The configuration as it is now has been read at the start; what is left
/// is what the plan had for each app.
Task<void> Supervisor::Impl::resume_change(KnownOperation unfinished) {
  const auto operation = unfinished.operation;
  const auto record = unfinished.record;
  const auto app = std::filesystem::path(record.file).stem().string();
  auto plan = record.plan.value_or(std::vector<PlanItem>());
  if (!record.plan && record.verb == "add") {
    if (!config.apps.contains(app)) {
      VerbResult result;
      result.outcomes = {{app, 0, false, "not added: dixisd ended before its file was written"}};
      operation->finish(std::move(result));
      co_return;
    }
    plan = {{app, "add", {}}};
  } else if (!record.plan && record.verb == "remove") {
    if (config.apps.contains(app)) {
      VerbResult result;
      result.outcomes = {{app, 0, false, "not removed: dixisd ended before it was touched"}};
      operation->finish(std::move(result));
      co_return;
    }
    plan = {{app, "remove", {}}};
  } else if (!record.plan) {
    auto report = co_await load(record.file, false, caller_of(record), operation);
    for (const auto& problem : report.problems) spdlog::warn("{}", problem.message);
    co_return;
  }
  ItemBody body = [this, record](PlanItem item, Instance::Report report) {
    return resume_item(std::move(item), record, std::move(report));
  };
  co_await carry_out_items(operation, std::move(plan), std::move(body));
}

Task<Outcome> Supervisor::Impl::resume_item(PlanItem item, OperationRecord record,
                                            Instance::Report report) {
  const auto app = item.app;
  if (!apps.contains(app)) {
    Changes drop;
    drop[app] = std::nullopt;
    for (const auto& slot : record.slots) {
      if (slot.app == app) drop[app + ":" + std::to_string(slot.instance)] = std::nullopt;
    }
    services.deaths.forget(app);
    const auto dropped = co_await services.desired.change(std::move(drop));
    auto removed = gone(app, 0);
    if (!dropped) {
      removed.ok = false;
      removed.message += ", but its desired state may come back: " + dropped.error().message;
    }
    co_return removed;
  }
  if (item.action == "add") co_return co_await start_added(app, caller_of(record));
  if (item.action != "restart" && item.action != "reload") {
    Outcome updated{.app = app, .ok = true};
    if (item.action == "update") updated.message = "updated";
    co_return updated;
  }
  Outcome last{.app = app, .ok = true, .message = "updated; it stays stopped"};
  const machine::Reason reason{Cause::config, to_text(caller_of(record))};
  for (auto& target : targets_of(record, app)) {
    if (desired_of(*target.instance) == Desired::down) continue;
    const auto slot =
        std::find_if(record.slots.begin(), record.slots.end(), [&](const OperationSlot& one) {
          return one.app == app && one.instance == target.instance->number();
        });
    auto resuming = item.action == "reload"
                        ? resume_reload(std::move(target), reason, true, slot->first, report)
                        : resume_restart(std::move(target), reason, false, slot->first, report);
    last = co_await std::move(resuming);
    if (!last.ok) break;
  }
  co_return last;
}

}  // namespace dixis
