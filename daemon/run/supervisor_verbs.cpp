// The verbs over many slots: who waits for whom, what is remembered, and the answer as a whole.
#include <algorithm>
#include <numeric>
#include <unistd.h>

#include "daemon/run/supervisor_impl.hpp"

namespace dixis {

namespace asio = boost::asio;
using namespace std::chrono_literals;

std::string to_text(const Caller& caller) {
  if (caller.pid == ::getpid()) return caller.verb;  // SIGHUP
  return "`dixisctl " + caller.verb + "` (uid " + std::to_string(caller.uid) + ", pid " +
         std::to_string(caller.pid) + ")";
}

namespace {

/// What the slots of one verb share until the last one has ended.
struct Gathering {
  std::vector<Outcome> outcomes{};
  std::size_t open = 0;
  std::optional<std::string> not_durable{};
  Notifier changed{};
};

Task<void> gather_one(Services& services, std::shared_ptr<Gathering> gathering, std::size_t index,
                      Task<Outcome> body) {
  co_await services.turns.pass();
  auto outcome = co_await std::move(body);
  gathering->outcomes[index] = std::move(outcome);
  --gathering->open;
  gathering->changed.notify_all();
}

Task<void> remember(std::shared_ptr<Gathering> gathering, Services& services,
                    Supervisor::Impl::Changes changes, OperationPtr operation) {
  const auto durable = co_await services.desired.change(std::move(changes));
  if (!durable) gathering->not_durable = durable.error().message;
  operation->set_remembered(gathering->not_durable);
  --gathering->open;
  gathering->changed.notify_all();
}

void rethrow(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

}  // namespace

Task<void> Supervisor::Impl::carry_out(OperationPtr operation, std::vector<Target> targets,
                                       Changes changes, Body body) {
  const auto gathering = std::make_shared<Gathering>();
  gathering->outcomes.resize(targets.size());
  gathering->open = targets.size();
  if (changes.empty()) {
    operation->set_remembered({});
  } else {
    ++gathering->open;
    asio::co_spawn(services.loop, remember(gathering, services, std::move(changes), operation),
                   rethrow);
  }
  for (std::size_t index = 0; index < targets.size(); ++index) {
    const auto& instance = targets[index].instance;
    Instance::Report report = [operation, instance, since = std::chrono::steady_clock::now()](
                                  const std::string& step, const std::string& message) {
      const auto elapsed = std::chrono::steady_clock::now() - since;
      operation->report({instance->spec().name, instance->number(), step, message,
                         std::chrono::duration_cast<Milliseconds>(elapsed).count()});
    };
    asio::co_spawn(services.loop,
                   gather_one(services, gathering, index, body(targets[index], std::move(report))),
                   rethrow);
  }
  while (gathering->open > 0) co_await gathering->changed.wait();
  operation->finish({std::move(gathering->outcomes), gathering->not_durable, {}});
}

OperationPtr Supervisor::Impl::run_verb(std::vector<Target> targets, Changes changes,
                                        Milliseconds deadline, Body body, const Caller& caller,
                                        bool force) {
  auto operation = accept(targets, deadline, caller, force);
  for (const auto& target : targets) {
    if (caller.uid < 0) break;  // the daemon's own doing: its effects are events
    services.events.publish({.type = "verb",
                             .app = target.instance->spec().name,
                             .instance = target.instance->number(),
                             .message = to_text(caller)});
  }
  asio::co_spawn(services.loop,
                 carry_out(operation, std::move(targets), std::move(changes), std::move(body)),
                 rethrow);
  return operation;
}

Supervisor::Impl::Changes Supervisor::Impl::desired_changes(const std::vector<Target>& targets,
                                                            Desired desired) const {
  Changes changes;
  for (const auto& target : targets) {
    const auto& name = target.instance->spec().name;
    const auto own = name + ":" + std::to_string(target.instance->number());
    if (target.whole_app) {
      changes[name] = desired;
      changes[own] = std::nullopt;
    } else {
      changes[own] = desired;
      // One slot of a stopped app comes up: the others stay down, each by its own entry.
      if (desired == Desired::up && services.desired.of(name) == Desired::down) {
        for (const auto& other : apps.at(name).instances) {
          changes.try_emplace(name + ":" + std::to_string(other->number()), Desired::down);
        }
        changes[name] = Desired::up;
      }
    }
  }
  return changes;
}

Milliseconds Supervisor::Impl::lane_deadline(const Target& target) const {
  const auto& instance = *target.instance;
  const auto one = instance.start_deadline() + instance.stop_deadline();
  return one * static_cast<int>(1 + target.instance->lane().length());
}

/// What an app comes after. As the configuration says, which was checked as a whole: the
/// specifications that are in force are a mix while a load is under way, or after one that failed
/// in part, and may go round in a circle.
std::vector<std::string> Supervisor::Impl::after_of(const std::string& app) const {
  const auto wanted = config.apps.find(app);
  return wanted == config.apps.end() ? std::vector<std::string>() : wanted->second.after;
}

Milliseconds Supervisor::Impl::start_deadline(const std::string& app) const {
  const auto found = apps.find(app);
  if (found == apps.end()) return 0ms;
  Milliseconds before{0};
  for (const auto& name : after_of(app)) {
    const auto other = apps.find(name);
    const bool waits = other != apps.end() &&
                       std::any_of(other->second.instances.begin(), other->second.instances.end(),
                                   [](const InstancePtr& slot) { return !slot->settled(); });
    if (waits) before = std::max(before, start_deadline(name));
  }
  return before + found->second.spec.start.timeout + 10s;
}

OperationPtr Supervisor::Impl::start(std::vector<Target> targets, Caller caller) {
  Milliseconds deadline{0};
  // All are expected before the first deadline is made up: those that come later wait for these.
  for (const auto& target : targets) {
    if (!target.instance->slot().current) target.instance->expect_start(true);
  }
  for (const auto& target : targets) {
    deadline =
        std::max(deadline, start_deadline(target.instance->spec().name) + lane_deadline(target));
  }
  auto changes = desired_changes(targets, Desired::up);
  return run_verb(
      std::move(targets), std::move(changes), deadline,
      [this, caller](Target target, Instance::Report report) {
        return start_one(std::move(target), caller, std::move(report));
      },
      caller);
}

Task<void> Supervisor::Impl::await_predecessors(InstancePtr waiting, Instance::Report report) {
  const std::string app = waiting->spec().name;
  // Copies: a load may change both while this waits.
  const auto predecessors = after_of(app);
  for (const auto& name : predecessors) {
    const auto other = apps.find(name);
    if (other == apps.end()) continue;
    const auto slots = other->second.instances;
    for (const auto& slot : slots) {
      if (!slot->settled()) report("queued", "starts after " + name);
      while (!slot->settled()) {
        if (!waiting->start_expected()) co_return;  // a stop withdrew it
        co_await slot->changed().wait();
      }
      const bool serves =
          slot->slot().current && slot->slot().current->phase == machine::Phase::serving;
      if (!serves && slot->slot().desired == Desired::up) {
        services.events.publish(
            {.type = "warning",
             .app = app,
             .message = app + " starts although " + name + ", which it comes after, is not up"});
      }
    }
  }
}

Outcome Supervisor::Impl::refused_as_leaving(const InstancePtr& instance) {
  instance->expect_start(false);
  return {instance->spec().name, instance->number(), false,
          "not started: it has left the configuration, and is being removed"};
}

/// Runs the body of a verb when it is its slot's turn. (Everything that a co_await is given has a
/// name here and elsewhere: GCC 12 destroys temporaries with captures twice.)
Task<Outcome> Supervisor::Impl::in_lane(InstancePtr instance, VerbKind kind, bool joinable,
                                        Instance::Report report, VerbLane::Body body) {
  if (instance->lane().length() > 0) report("queued", "another verb is under way");
  VerbLane::Superseded superseded = [instance](const std::string& by) {
    instance->expect_start(false);
    return Outcome{instance->spec().name, instance->number(), false,
                   "ended early: " + by + " was asked for"};
  };
  // A reload may be at its old process or at its new one.
  std::function<void()> wake = [instance] {
    const auto now = instance->latest();
    now->wake_all();
    if (now != instance) instance->wake_all();
  };
  co_return co_await instance->lane().run(kind, joinable, std::move(body), std::move(superseded),
                                          std::move(wake));
}

Task<Outcome> Supervisor::Impl::start_one(Target target, Caller caller, Instance::Report report) {
  const auto instance = target.instance;
  if (!instance->slot().current) {
    instance->expect_start(true);
    co_await await_predecessors(instance, report);
    // A stop that came meanwhile withdrew it.
    if (!instance->start_expected() && !instance->slot().current) {
      co_return Outcome{instance->spec().name, instance->number(), false,
                        "ended early: a stop was asked for"};
    }
  }
  auto looking = held_back(instance);
  if (const bool held = co_await std::move(looking); held) {
    instance->expect_start(false);
    co_return Outcome{instance->spec().name, instance->number(), false, instance->slot().message};
  }
  VerbLane::Body body = [instance, caller, report](VerbTicket ticket) {
    return instance->latest()->start(std::move(ticket), caller, report);
  };
  if (leaving.contains(instance->spec().name)) co_return refused_as_leaving(instance);
  co_return co_await in_lane(instance, VerbKind::start, true, report, std::move(body));
}

OperationPtr Supervisor::Impl::stop(std::vector<Target> targets, Caller caller) {
  Milliseconds deadline{0};
  // In reverse order one after the other, at worst.
  for (const auto& target : targets) deadline += target.instance->stop_deadline() + 5s;
  auto changes = desired_changes(targets, Desired::down);
  const machine::Reason reason{Cause::verb, to_text(caller)};
  const auto successors = successors_of(targets);
  return run_verb(
      targets, std::move(changes), deadline,
      [this, successors, reason](Target target, Instance::Report report) {
        return stop_one(std::move(target), successors, reason, std::move(report));
      },
      caller);
}

Supervisor::Impl::Successors Supervisor::Impl::successors_of(
    const std::vector<Target>& targets) const {
  auto out = std::make_shared<std::multimap<std::string, InstancePtr>>();
  for (const auto& target : targets) {
    const auto& spec = target.instance->spec();
    // Of what is leaving, the configuration says nothing any more.
    const auto after = config.apps.contains(spec.name) ? after_of(spec.name) : spec.after;
    for (const auto& name : after) out->emplace(name, target.instance);
  }
  return out;
}

void Supervisor::Impl::withdraw_start(Instance& instance) {
  instance.expect_start(false);
  // A start of it may be waiting for one of these.
  for (const auto& name : after_of(instance.spec().name)) {
    const auto other = apps.find(name);
    if (other == apps.end()) continue;
    for (const auto& slot : other->second.instances) slot->changed().notify_all();
  }
}

Task<Outcome> Supervisor::Impl::stop_one(Target target, Successors successors,
                                         machine::Reason reason, Instance::Report report) {
  const auto instance = target.instance->latest();
  withdraw_start(*instance);
  const auto [begin, end] = successors->equal_range(instance->spec().name);
  for (auto each = begin; each != end; ++each) {
    const auto other = each->second;
    const auto until = std::chrono::steady_clock::now() + other->stop_deadline();
    while (other->slot().current && std::chrono::steady_clock::now() < until) {
      report("queued", "stops after " + other->label());
      co_await other->changed().wait(1s);
    }
  }
  if (reason.cause == Cause::shutdown) {
    co_await instance->halt();
    co_return Outcome{instance->spec().name, instance->number(), true, "stopped"};
  }
  VerbLane::Body body = [instance, reason, report](VerbTicket ticket) {
    return instance->latest()->stop(std::move(ticket), reason, report);
  };
  co_return co_await in_lane(instance, VerbKind::stop, true, report, std::move(body));
}

OperationPtr Supervisor::Impl::restart(std::vector<Target> targets, bool force, Caller caller) {
  // `all`, globs and tags leave alone what shall be down.
  std::erase_if(targets, [this](const Target& target) {
    return !target.by_name && desired_of(*target.instance) == Desired::down;
  });
  Milliseconds deadline{0};
  for (const auto& target : targets) deadline = std::max(deadline, lane_deadline(target));
  auto changes = desired_changes(targets, Desired::up);
  Instance::RestartOptions options{{Cause::verb, to_text(caller)}, force, {}};
  return run_verb(
      std::move(targets), std::move(changes), deadline,
      [this, options](Target target, Instance::Report report) {
        return restart_one(std::move(target), options, std::move(report));
      },
      caller, force);
}

Task<Outcome> Supervisor::Impl::restart_one(Target target, Instance::RestartOptions options,
                                            Instance::Report report) {
  const auto instance = target.instance->latest();
  if (leaving.contains(instance->spec().name)) co_return refused_as_leaving(instance);
  auto looking = held_back(instance);
  if (const bool held = co_await std::move(looking); held) {
    co_return Outcome{instance->spec().name, instance->number(), false, instance->slot().message};
  }
  const bool joinable = !options.new_spec;
  VerbLane::Body body = [instance, options, report](VerbTicket ticket) {
    return instance->latest()->restart(std::move(ticket), options, report);
  };
  co_return co_await in_lane(instance, VerbKind::restart, joinable, report, std::move(body));
}

}  // namespace dixis
