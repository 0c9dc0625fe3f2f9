// A new configuration: checked whole, compared, and carried out app by app.
#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/model/config.hpp"
#include "daemon/run/build/build_on_disk.hpp"
#include "daemon/run/supervisor_impl.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

using namespace std::chrono_literals;

namespace {

/// Whether each of its processes can be replaced without a gap.
bool can_reload(const App& app, const AppSpec& next) {
  return std::all_of(app.instances.begin(), app.instances.end(), [&](const InstancePtr& slot) {
    const auto& life = slot->slot().current;
    return life && life->phase == machine::Phase::serving && !slot->why_no_reload(next);
  });
}

/// A daemon that came back has read a configuration that its predecessor hadn't: what it took back
/// was started with the one before.
bool outdated(const App& app) {
  return std::any_of(app.instances.begin(), app.instances.end(),
                     [](const InstancePtr& slot) { return slot->outdated(); });
}

std::vector<PlanItem> make_plan(const Apps& apps, const Config& next) {
  std::vector<PlanItem> plan;
  for (const auto& [name, app] : apps) {
    if (!next.apps.contains(name)) plan.push_back({name, "remove", {}});
  }
  for (const auto& [name, spec] : next.apps) {
    const auto now = apps.find(name);
    if (now == apps.end()) {
      plan.push_back({name, "add", {}});
      continue;
    }
    auto keys = changed_keys(now->second.spec, spec);
    const bool replaces = needs_new_process(keys) || outdated(now->second);
    const std::string action = replaces ? (can_reload(now->second, spec) ? "reload" : "restart")
                               : keys.empty() ? "keep"
                                              : "update";
    plan.push_back({name, action, std::move(keys)});
  }
  return plan;
}

machine::Reason config_reason(const Caller& caller) {
  return {Cause::config, to_text(caller)};
}

Outcome nothing_to_do(const std::string& app, std::string message) {
  return {.app = app, .ok = true, .message = std::move(message)};
}

/// The first that failed, or the first of all.
Outcome worst(const std::vector<Outcome>& outcomes) {
  const auto failed = std::find_if(outcomes.begin(), outcomes.end(),
                                   [](const Outcome& outcome) { return !outcome.ok; });
  return failed != outcomes.end() ? *failed : outcomes.front();
}

Task<Outcome> result_of(OperationPtr operation, const std::string app) {
  while (!operation->result()) co_await operation->changed().wait();
  const auto& outcomes = operation->result()->outcomes;
  co_return outcomes.empty() ? nothing_to_do(app, "nothing to do") : worst(outcomes);
}

}  // namespace

/// `operation`: that of the change; it is withdrawn where nothing is to be touched. Null: a dry
/// run.
Task<LoadReport> Supervisor::Impl::load(std::filesystem::path file, bool dry_run, Caller caller,
                                        OperationPtr operation) {
  const auto place = co_await loads.enter();
  auto work = [file] {
    auto read = load_config(file, ConfigOptions{});
    if (!read.ok()) return read;
    for (auto& pitfall : build_pitfalls(read.config)) read.problems.push_back(std::move(pitfall));
    return read;
  };
  auto loaded = co_await services.slow_worker.run(std::move(work));
  LoadReport report;
  report.problems = loaded.problems;
  if (ending) {
    // What came now would be nobody's to stop.
    report.problems.push_back({.file = file.string(), .message = "not loaded: dixisd is ending"});
  } else if (loaded.ok()) {
    scales.apply(loaded.config);
    report.plan = make_plan(apps, loaded.config);
    if (!dry_run) {
      directories.config_file = file;
      report.operation = operation;
      carry_out_plan(operation, report.plan, std::move(loaded.config), std::move(caller));
    }
  }
  if (operation && !report.operation) operations.withdraw(operation->id());
  co_return report;
}

Milliseconds Supervisor::Impl::load_deadline() const {
  Milliseconds deadline{0};
  for (const auto& [name, app] : apps) {
    // One slot after the other, at worst, and behind what is under way on each.
    Milliseconds own = start_deadline(name);
    for (const auto& slot : app.instances) own += lane_deadline({slot, true, true});
    deadline = std::max(deadline, own);
  }
  return deadline + 30s;
}

void Supervisor::Impl::carry_out_plan(OperationPtr operation, std::vector<PlanItem> plan,
                                      Config next, Caller caller) {
  operation->set_deadline(load_deadline());
  std::vector<OperationSlot> slots;
  for (const auto& item : plan) {
    if (item.action == "keep" || !apps.contains(item.app)) continue;
    for (const auto& slot : apps.at(item.app).instances) {
      slots.push_back({item.app, slot->number(), slot->slot().next_generation, true, true});
    }
  }
  operations.plan(operation->id(), plan, std::move(slots));
  config = std::move(next);
  services.capture.set_ceiling(config.log_ceiling);
  // New apps have their slots before anything waits for anything.
  for (const auto& item : plan) {
    if (item.action == "add") add_app(config.apps.at(item.app));
  }
  tell_log_places();
  services.events.publish({.type = "config", .message = "loaded by " + to_text(caller)});
  caller.operation.reset();  // the starts and stops that it is made of are none of their own
  ItemBody body = [this, caller](PlanItem item, Instance::Report report) {
    return carry_out_item(std::move(item), caller, std::move(report));
  };
  boost::asio::co_spawn(services.loop, carry_out_items(operation, std::move(plan), std::move(body)),
                        [](const std::exception_ptr& error) {
                          if (error) std::rethrow_exception(error);
                        });
}

Task<void> Supervisor::Impl::carry_out_items(OperationPtr operation, std::vector<PlanItem> plan,
                                             ItemBody body) {
  VerbResult result;
  result.outcomes.resize(plan.size());
  std::size_t open = plan.size();
  Notifier done;
  for (std::size_t index = 0; index < plan.size(); ++index) {
    const auto begun = boottime_ms();
    Instance::Report report = [operation, begun, app = plan[index].app](const std::string& step,
                                                                        const std::string& text) {
      operation->report({app, 0, step, text, boottime_ms() - begun});
    };
    boost::asio::co_spawn(services.loop, body(plan[index], std::move(report)),
                          [&, index](const std::exception_ptr& error, Outcome outcome) {
                            if (error) std::rethrow_exception(error);
                            result.outcomes[index] = std::move(outcome);
                            --open;
                            done.notify_all();
                          });
  }
  while (open > 0) co_await done.wait();
  std::erase_if(result.outcomes, [](const Outcome& one) { return one.message.empty(); });
  for (const auto& outcome : result.outcomes) {
    if (!outcome.ok) spdlog::warn("load: {}: {}", outcome.app, outcome.message);
  }
  operation->set_remembered({});
  operation->finish(std::move(result));
}

std::vector<Target> Supervisor::Impl::slots_of(const std::string& app) const {
  std::vector<Target> out;
  for (const auto& slot : apps.at(app).instances) out.push_back({slot, true, true});
  return out;
}

std::shared_ptr<Throttle> Supervisor::Impl::config_turn(const std::string& app) {
  std::erase_if(config_turns, [](const auto& entry) { return entry.second.expired(); });
  auto turn = config_turns[app].lock();
  if (!turn) config_turns[app] = turn = std::make_shared<Throttle>(1);
  return turn;
}

/// Makes one app what the configuration says. Another load may have begun meanwhile: what is
/// compared is what is now with what is wanted now, so the latest one wins.
Task<Outcome> Supervisor::Impl::carry_out_item(PlanItem item, Caller caller,
                                               Instance::Report report) {
  const auto app = item.app;
  // What shall leave is stopped at once, even while an earlier load still proves it.
  if (!config.apps.contains(app)) leaving.insert(app);
  Outcome stopped;
  if (leaving.contains(app) && apps.contains(app)) {
    const auto stopping = stop(slots_of(app), caller);
    stopped = co_await result_of(stopping, app);
  }
  const auto turn = config_turn(app);
  const auto place = co_await turn->enter();
  if (leaving.erase(app) > 0 && apps.contains(app)) {
    stopped = co_await take_away(app, std::move(stopped));
    const bool is_back = config.apps.contains(app) && !apps.contains(app);
    if (!is_back) co_return stopped;
  }
  const auto wanted = config.apps.find(app);
  if (wanted == config.apps.end()) co_return nothing_to_do(app, "removed");
  const AppSpec spec = wanted->second;
  const bool is_new = !apps.contains(app);
  if (is_new) add_app(spec);
  if (is_new || item.action == "add") co_return co_await start_added(app, caller);

  const auto keys = changed_keys(apps.at(app).spec, spec);
  const bool replaces = needs_new_process(keys) || outdated(apps.at(app));
  if (keys.empty() && !replaces) co_return nothing_to_do(app, "");
  if (spec.instances != apps.at(app).spec.instances) {
    co_return co_await resize(spec, caller, report);
  }
  if (replaces) co_return co_await replace(spec, caller, report);
  apps.at(app).spec = spec;
  for (const auto& slot : apps.at(app).instances) slot->set_spec(spec);
  co_return nothing_to_do(app, "updated, without a new process");
}

Task<Outcome> Supervisor::Impl::start_added(std::string app, Caller caller) {
  if (services.desired.of(app) == Desired::down) {
    co_return nothing_to_do(app, "added; it stays stopped");
  }
  const auto starting = start(slots_of(app), caller);
  auto added = co_await result_of(starting, app);
  if (added.ok) added.message = "added: " + added.message;
  co_return added;
}

Task<Outcome> Supervisor::Impl::take_away(std::string app, Outcome stopped) {
  const auto& slots = apps.at(app).instances;
  const bool runs = std::any_of(slots.begin(), slots.end(), [](const InstancePtr& slot) {
    return slot->slot().current.has_value();
  });
  if (runs) {
    stopped.message += "; it stays in the list until a load finds it stopped";
    co_return stopped;
  }
  Changes drop;
  drop[app] = std::nullopt;
  for (const auto& slot : slots) drop[app + ":" + std::to_string(slot->number())] = std::nullopt;
  for (const auto& slot : slots) remove_slot(directories.runtime, app, slot->number());
  apps.erase(app);
  co_await services.sockets.release(app);
  services.deaths.forget(app);
  const auto dropped = co_await services.desired.change(std::move(drop));
  if (stopped.ok) stopped.message = "removed";
  if (!dropped) {
    stopped.ok = false;
    stopped.message += ", but its desired state may come back: " + dropped.error().message;
  }
  co_return stopped;
}

Task<Outcome> Supervisor::Impl::replace(AppSpec spec, Caller caller, Instance::Report report) {
  Instance::ReloadOptions options;
  options.reason = config_reason(caller);
  options.or_restart = true;
  options.new_spec = spec;
  std::optional<Outcome> last;
  const auto slots = std::vector<InstancePtr>(apps.at(spec.name).instances);
  for (const auto& slot : slots) {
    if (desired_of(*slot) == Desired::down) {
      slot->set_spec(spec);
      if (!last) last = nothing_to_do(spec.name, "updated; it stays stopped");
      continue;
    }
    Target target{slot, true, true};
    auto replacing = reload_one(std::move(target), options, report);
    last = co_await std::move(replacing);
    if (last->ok) continue;
    // A new specification whose preflight failed hasn't touched anything: the old one goes on.
    const bool kept_old = !changed_keys(slot->spec(), spec).empty();
    if (kept_old && slot == slots.front()) {
      last->message += "; the old specification stays in force";
      co_return *last;
    }
    if (slot != slots.back()) {
      last->message += "; the instances after it go on with their old processes";
    }
    break;
  }
  apps.at(spec.name).spec = spec;
  for (const auto& slot : slots) slot->latest()->set_spec(spec);
  co_await services.sockets.keep_only(spec);
  co_return *last;
}

Task<Outcome> Supervisor::Impl::resize(AppSpec spec, Caller caller, Instance::Report report) {
  // The slots that go, go first; then the others take the new specification; then come the new.
  auto& app = apps.at(spec.name);
  const machine::Reason reason = config_reason(caller);
  while (app.instances.size() > spec.instances) {
    const auto slot = app.instances.back();
    app.instances.pop_back();
    co_await slot->drain_out(report);
    Target target{slot, true, false};
    const auto nobody = successors_of({});
    const auto stopped = co_await stop_one(std::move(target), nobody, reason, report);
    if (!stopped.ok) co_return stopped;
    remove_slot(directories.runtime, spec.name, slot->number());
  }
  auto before = app.spec;
  before.instances = spec.instances;
  const bool replaces = needs_new_process(changed_keys(before, spec));
  if (replaces) {
    auto replaced = co_await replace(spec, caller, report);
    if (!replaced.ok) co_return replaced;
  }
  app.spec = spec;
  for (const auto& slot : app.instances) slot->set_spec(spec);
  co_await services.sockets.keep_only(spec);
  std::vector<Target> fresh;
  while (app.instances.size() < spec.instances) {
    const auto number = static_cast<std::uint32_t>(app.instances.size());
    app.instances.push_back(std::make_shared<Instance>(services, spec, number));
    if (desired_of(*app.instances.back()) == Desired::up) {
      fresh.push_back({app.instances.back(), true, false});
    }
  }
  if (fresh.empty()) co_return nothing_to_do(spec.name, "updated");
  const auto starting = run_verb(
      std::move(fresh), Changes(), 0ms,
      [this, caller](Target target, Instance::Report each) {
        return start_one(std::move(target), caller, std::move(each));
      },
      caller);
  co_return co_await result_of(starting, spec.name);
}

Task<LoadReport> Supervisor::load(std::optional<std::filesystem::path> file, bool dry_run,
                                  Caller caller) {
  auto path = file.value_or(impl_->directories.config_file);
  const auto operation =
      dry_run ? nullptr : impl_->accept({}, impl_->load_deadline(), caller, false, path.string());
  co_return co_await impl_->load(std::move(path), dry_run, std::move(caller), operation);
}

}  // namespace dixis
