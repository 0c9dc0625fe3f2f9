// A new configuration: checked whole, compared, and carried out app by app.
#include <algorithm>
#include <utility>

#include "daemon/model/config.hpp"
#include "daemon/run/app_file.hpp"
#include "daemon/run/supervisor_impl.hpp"

namespace dixis {

using namespace std::chrono_literals;

namespace {

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
    const std::string action = keys.empty()              ? "keep"
                               : needs_new_process(keys) ? "restart"
                                                         : "update";
    plan.push_back({name, action, std::move(keys)});
  }
  return plan;
}

bool in_plan(const std::vector<PlanItem>& plan, const std::string& app) {
  return std::any_of(plan.begin(), plan.end(),
                     [&](const PlanItem& item) { return item.app == app; });
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

Task<LoadReport> Supervisor::Impl::load(std::filesystem::path file, bool dry_run, Caller caller) {
  while (loading) co_await load_finished.wait();
  loading = true;
  auto work = [file] { return load_config(file, ConfigOptions{}); };
  auto loaded = co_await services.slow_worker.run(std::move(work));
  LoadReport report;
  report.problems = loaded.problems;
  if (loaded.ok()) {
    report.plan = make_plan(apps, loaded.config);
    if (!dry_run) {
      directories.config_file = file;
      report.operation = carry_out_plan(report.plan, std::move(loaded.config), std::move(caller));
    }
  }
  loading = false;
  load_finished.notify_all();
  co_return report;
}

OperationPtr Supervisor::Impl::carry_out_plan(std::vector<PlanItem> plan, Config next,
                                              Caller caller) {
  config.access = next.access;
  config.file = next.file;
  Milliseconds deadline = 10s;
  for (const auto& [name, spec] : next.apps) {
    deadline = std::max(deadline, spec.start.timeout + spec.stop.timeout + 30s);
  }
  for (const auto& [name, app] : apps) {
    for (const auto& slot : app.instances) {
      deadline = std::max(deadline, slot->stop_deadline() + slot->start_deadline() + 30s);
    }
  }
  services.events.publish({.type = "config", .message = "loaded by " + to_text(caller)});
  const auto operation = new_operation(deadline);
  boost::asio::co_spawn(
      services.loop,
      [](Impl* self, OperationPtr op, std::vector<PlanItem> items, Config loaded,
         Caller by) -> Task<void> {
        // New apps have their slots before anything waits for anything.
        for (const auto& item : items) {
          if (item.action == "add") self->add_app(loaded.apps.at(item.app));
        }
        std::vector<std::pair<PlanItem, AppSpec>> work;
        for (auto& item : items) {
          const auto spec = loaded.apps.find(item.app);
          work.emplace_back(item, spec == loaded.apps.end() ? AppSpec{} : spec->second);
        }
        VerbResult result;
        result.outcomes.resize(work.size());
        std::size_t open = work.size();
        Notifier done;
        for (std::size_t index = 0; index < work.size(); ++index) {
          Instance::Report report = [op, app = work[index].first.app](const std::string& step,
                                                                      const std::string& text) {
            op->report({app, 0, step, text, 0});
          };
          boost::asio::co_spawn(
              self->services.loop,
              self->carry_out_item(work[index].first, work[index].second, by, report),
              [&result, &open, &done, index](const std::exception_ptr& error, Outcome outcome) {
                if (error) std::rethrow_exception(error);
                result.outcomes[index] = std::move(outcome);
                --open;
                done.notify_all();
              });
        }
        while (open > 0) co_await done.wait();
        std::erase_if(result.outcomes, [](const Outcome& one) { return one.message.empty(); });
        op->set_remembered({});
        op->finish(std::move(result));
      }(this, operation, std::move(plan), std::move(next), std::move(caller)),
      [](const std::exception_ptr& error) {
        if (error) std::rethrow_exception(error);
      });
  return operation;
}

std::vector<Target> Supervisor::Impl::slots_of(const std::string& app) const {
  std::vector<Target> out;
  for (const auto& slot : apps.at(app).instances) out.push_back({slot, true, true});
  return out;
}

Task<Outcome> Supervisor::Impl::carry_out_item(PlanItem item, AppSpec spec, Caller caller,
                                               Instance::Report report) {
  if (item.action == "keep") co_return nothing_to_do(item.app, "");
  if (item.action == "remove") {
    const auto stopping = stop(slots_of(item.app), caller);
    const auto stopped = co_await result_of(stopping, item.app);
    Changes drop;
    drop[item.app] = std::nullopt;
    for (const auto& slot : apps.at(item.app).instances) {
      drop[item.app + ":" + std::to_string(slot->number())] = std::nullopt;
    }
    const auto dropped = co_await services.desired.change(std::move(drop));
    apps.erase(item.app);
    co_return stopped.ok&& dropped ? nothing_to_do(item.app, "removed") : stopped;
  }
  if (item.action == "add") {
    if (services.desired.of(item.app) == Desired::down) {
      co_return nothing_to_do(item.app, "added; it stays stopped");
    }
    const auto starting = start(slots_of(item.app), caller);
    auto added = co_await result_of(starting, item.app);
    if (added.ok) added.message = "added: " + added.message;
    co_return added;
  }
  if (spec.instances != apps.at(item.app).spec.instances) {
    co_return co_await resize(std::move(spec), caller, report);
  }
  if (item.action == "update") {
    apps.at(item.app).spec = spec;
    for (const auto& slot : apps.at(item.app).instances) slot->set_spec(spec);
    co_return nothing_to_do(item.app, "updated, without a new process");
  }
  co_return co_await replace(std::move(spec), caller, report);
}

Task<Outcome> Supervisor::Impl::replace(AppSpec spec, Caller caller, Instance::Report report) {
  Instance::RestartOptions options;
  options.reason = config_reason(caller);
  options.new_spec = spec;
  std::vector<Outcome> outcomes;
  const auto slots = apps.at(spec.name).instances;
  for (const auto& slot : slots) {
    if (desired_of(*slot) == Desired::down) {
      slot->set_spec(spec);
      outcomes.push_back(nothing_to_do(spec.name, "updated; it stays stopped"));
      continue;
    }
    Target target{slot, true, true};
    auto outcome = co_await restart_one(std::move(target), options, report);
    outcomes.push_back(std::move(outcome));
  }
  // A new specification whose preflight failed hasn't touched anything: the old one goes on.
  const bool kept_old = outcomes.front().message.starts_with("not restarted:");
  if (!kept_old) apps.at(spec.name).spec = spec;
  auto out = worst(outcomes);
  if (kept_old) out.message += "; the old specification stays in force";
  if (out.ok) out.message = "restarted: " + out.message;
  co_return out;
}

Task<Outcome> Supervisor::Impl::resize(AppSpec spec, Caller caller, Instance::Report report) {
  // The slots that go, go first; then the others take the new specification; then come the new.
  auto& app = apps.at(spec.name);
  const machine::Reason reason = config_reason(caller);
  while (app.instances.size() > spec.instances) {
    const auto slot = app.instances.back();
    app.instances.pop_back();
    Target target{slot, true, false};
    const auto stopped =
        co_await stop_one(std::move(target), std::vector<Target>(), reason, report);
    if (!stopped.ok) co_return stopped;
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
  co_return co_await impl_->load(std::move(path), dry_run, std::move(caller));
}

Task<Result<LoadReport>> Supervisor::add(std::string name, NewApp app, Caller caller) {
  if (impl_->apps.contains(name)) {
    co_return Error{"there is an app " + name + " already",
                    "`dixisctl describe " + name + "` shows it"};
  }
  const auto config_file = impl_->directories.config_file;
  auto work = [config_file, name, app] { return write_app_file(config_file, name, app); };
  auto written = co_await impl_->services.slow_worker.run(std::move(work));
  if (!written) co_return written.error();
  auto report = co_await impl_->load(config_file, false, std::move(caller));
  report.file = written->string();
  if (!report.operation) {
    auto undo = [file = *written] { return remove_app_file(file); };
    // Refused as a whole: as if it had not been written.
    co_await impl_->services.slow_worker.run(std::move(undo));
  } else if (!in_plan(report.plan, name)) {
    auto undo = [file = *written] { return remove_app_file(file); };
    co_await impl_->services.slow_worker.run(std::move(undo));
    co_return Error{"the configuration doesn't include " + report.file,
                    "add `include: apps.d/*.yaml` to " + config_file.string()};
  }
  co_return report;
}

Task<Result<LoadReport>> Supervisor::remove(std::string name, Caller caller) {
  const auto found = impl_->apps.find(name);
  if (found == impl_->apps.end()) {
    co_return Error{"there is no app " + name, "`dixisctl list` shows those that are"};
  }
  const auto config_file = impl_->directories.config_file;
  const std::filesystem::path defined_in = found->second.spec.defined_at.file;
  const auto own_file = app_file_of(config_file, name);
  if (defined_in.filename() != own_file.filename()) {
    co_return Error{name + " is defined in " + defined_in.string() + ", which `add` didn't write",
                    "remove it there, then `dixisctl load`"};
  }
  auto work = [defined_in] { return remove_app_file(defined_in); };
  auto removed = co_await impl_->services.slow_worker.run(std::move(work));
  if (!removed) co_return removed.error();
  auto report = co_await impl_->load(config_file, false, std::move(caller));
  report.file = defined_in.string();
  co_return report;
}

}  // namespace dixis
