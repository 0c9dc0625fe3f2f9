#include "daemon/run/supervisor.hpp"

#include <algorithm>
#include <csignal>

#include <spdlog/spdlog.h>

#include "daemon/logs/within.hpp"
#include "daemon/model/words.hpp"
#include "daemon/run/records.hpp"
#include "daemon/run/stray.hpp"
#include "daemon/run/supervisor_impl.hpp"
#include "daemon/sys/cgroup.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

namespace asio = boost::asio;

Supervisor::Impl::Impl(asio::io_context& loop, Directories where, Config loaded)
    : directories(std::move(where)),
      config(std::move(loaded)),
      services(loop, directories),
      started_ms(boottime_ms()),
      operations(directories.runtime, services.boot),
      scales(services.state_worker, directories.state) {
  services.restart_for_build = [this](const InstancePtr& slot, const std::string& why) {
    restart_for_build(slot, why);
  };
  services.capture.set_ceiling(config.log_ceiling);
  services.restart_for_memory = [this](const InstancePtr& slot, const std::string& why) {
    restart_for_memory(slot, why);
  };
  services.witness.on_program([this](pid_t pid, pid_t leader) { program_started(pid, leader); });
  if (const auto damaged = scales.load()) spdlog::warn("{}", *damaged);
  scales.apply(config);
  for (const auto& [name, spec] : config.apps) add_app(spec);
}

void Supervisor::Impl::add_app(const AppSpec& spec) {
  App app{spec, {}};
  for (std::uint32_t number = 0; number < spec.instances; ++number) {
    app.instances.push_back(std::make_shared<Instance>(services, spec, number));
  }
  apps[spec.name] = std::move(app);
}

/// A program has started in some app's tree, from where no programs are installed.
void Supervisor::Impl::program_started(pid_t pid, pid_t leader) const {
  // One that has left session and parents behind is in its cgroup still.
  const auto cgroup = leader == 0 ? cgroup_directory(pid) : std::nullopt;
  for (const auto& [name, app] : apps) {
    for (const auto& slot : app.instances) {
      const auto& generation = slot->generation();
      if (!generation) continue;
      const bool is_its = leader != 0 ? generation->tree.leader == leader
                                      : cgroup && *cgroup == generation->tree.cgroup;
      if (is_its) return slot->program_started(pid);
    }
  }
}

Desired Supervisor::Impl::desired_of(const Instance& instance) const {
  const auto& name = instance.spec().name;
  // A stop of the whole app counts for each of its slots; a slot's own entry is newer or absent.
  if (services.desired.of(name) == Desired::down) return Desired::down;
  return services.desired.of(name + ":" + std::to_string(instance.number()));
}

InstancePtr Supervisor::Impl::slot_for(const GenerationRecord& record) const {
  const auto app = apps.find(record.app);
  if (app == apps.end() || record.instance >= app->second.instances.size()) return nullptr;
  const auto& instance = app->second.instances[record.instance];
  return instance->slot().current ? nullptr : instance;
}

/// Whether the record's process lives and has become the app. One that died at the gate, or is
/// about to, has not; killing it settles which.
Task<bool> Supervisor::Impl::runs_still(GenerationRecord record) {
  const auto process = open_process(static_cast<pid_t>(record.pid), record.start_ticks);
  if (!process) co_return false;
  if (record.phase != Phase::gated) co_return true;
  auto work = [pid = process->pid] { return read_process(pid, true); };
  const auto facts = co_await services.proc_worker.run(std::move(work));
  if (facts && facts->tree_mark == record.tree_mark) co_return true;
  send_signal(*process, SIGKILL);
  co_return false;
}

void Supervisor::Impl::forget(const GenerationRecord& record) const {
  remove_record(directories.runtime, record.app, record.instance, record.generation);
}

/// Takes back what runs. What has no place or lost its leader is a stray.
Task<void> Supervisor::Impl::adopt_record(GenerationRecord record, std::uint64_t serving,
                                          std::vector<Stray>& strays) {
  if (record.boot_id != services.boot) co_return forget(record);
  const auto label = record.app + " (pid " + std::to_string(record.pid) + ")";
  const bool runs = co_await runs_still(record);
  const auto instance = slot_for(record);
  auto process = open_process(static_cast<pid_t>(record.pid), record.start_ticks);
  const bool replaced = runs && !instance && process && record.generation < serving &&
                        apps.contains(record.app) &&
                        record.instance < apps.at(record.app).instances.size();
  if (replaced) co_return retire_record(std::move(record), std::move(*process));
  if (runs && record.generation > serving) {
    spdlog::warn("{} was being proven when the daemon ended: the old process goes on", label);
    const TreeKey tree{record.tree_mark, static_cast<pid_t>(record.pid), record.start_ticks};
    strays.push_back({record, tree, StopPolicy{}.timeout});
    co_return;
  }
  if (runs && instance && process) {
    spdlog::info("took back {}", label);
    instance->adopt(record, std::move(*process), desired_of(*instance));
    co_return;
  }
  if (runs) {
    spdlog::warn("{} has no place in the configuration any more: it is stopped", label);
    const TreeKey tree{record.tree_mark, static_cast<pid_t>(record.pid), record.start_ticks,
                       record.cgroup};
    strays.push_back({record, tree, StopPolicy{}.timeout, nullptr});
    co_return;
  }
  if (record.phase != Phase::gated) {
    spdlog::warn("{} ended while no daemon was watching: how is unknown", label);
  }
  if (instance) instance->record_lost(record);
  const TreeKey orphans{record.tree_mark, 0, 0, record.cgroup};
  // One that was being proven beside it is nobody's loss.
  const bool served = record.phase != Phase::gated && record.generation == serving;
  const auto lost_by = served ? instance : nullptr;
  strays.push_back({record, orphans, machine::kOrphanGrace, lost_by});
}

/// What the predecessor noted of each slot; of those that are gone, nothing is kept.
void Supervisor::Impl::recall_slots() {
  const auto loaded = load_slots(directories.runtime, services.boot);
  for (const auto& report : loaded.reports) spdlog::warn("{}", report);
  for (const auto& [slot, record] : loaded.slots) {
    const auto app = apps.find(slot.first);
    if (app == apps.end() || slot.second >= app->second.instances.size()) {
      remove_slot(directories.runtime, slot.first, slot.second);
    } else {
      app->second.instances[slot.second]->remember(record);
    }
  }
}

Task<void> Supervisor::Impl::take_back() {
  co_await services.witness.open();
  const auto loaded = services.desired.load();
  for (const auto& report : loaded.reports) spdlog::warn("{}", report);
  const auto records = load_records(directories.runtime);
  for (const auto& report : records.reports) spdlog::warn("{}", report);
  // Those who ask for them find them from the first connection on; and what they want of an app
  // counts when it is taken back.
  auto unfinished = operations.take_back();
  co_await remember_again(unfinished);
  for (const auto& [name, app] : apps) services.sockets.claim(app.spec);
  recall_slots();
  std::vector<Stray> strays;
  const auto serving = serving_generations(records.records);
  const auto number_of = [&](const GenerationRecord& record) {
    const auto found = serving.find({record.app, record.instance});
    return found == serving.end() ? record.generation : found->second;
  };
  // What serves first: then what isn't taken back into a slot is one too many.
  std::vector<GenerationRecord> others;
  for (const auto& record : records.records) {
    if (record.generation != number_of(record)) {
      others.push_back(record);
    } else {
      co_await adopt_record(record, record.generation, strays);
    }
  }
  for (const auto& record : others) co_await adopt_record(record, number_of(record), strays);
  take_up_slots(strays);
  if (!records.reports.empty()) suspect_slots();
  services.keeper.drop_unclaimed();
  services.reaper.begin();  // what it holds of the predecessor's children is known now
  for (const auto& one : unfinished) reserve_generations(one);
  asio::co_spawn(services.loop, boot(std::move(strays), std::move(unfinished)),
                 [](const std::exception_ptr& error) {
                   if (error) std::rethrow_exception(error);
                 });
}

/// Slots that had no generation go on as they were: in backoff, or given up.
void Supervisor::Impl::take_up_slots(const std::vector<Stray>& strays) {
  for (const auto& target : resolve_targets(apps, {})) {
    const bool lost = std::any_of(strays.begin(), strays.end(), [&](const Stray& stray) {
      return stray.lost_by == target.instance;
    });
    if (!lost && !target.instance->slot().current) {
      target.instance->take_up(desired_of(*target.instance));
    }
  }
}

/// Starts what shall be up, after what could still hold its ports is gone, and goes on with what
/// the predecessor had under way.
Task<void> Supervisor::Impl::boot(std::vector<Stray> strays,
                                  std::vector<KnownOperation> unfinished) {
  for (const auto& stray : strays) {
    co_await end_stray(services.trees, services.reaper, stray.tree, stray.grace);
    forget(stray.record);
  }
  co_await hold_sockets();
  for (const auto& stray : strays) {
    if (!stray.lost_by || stray.lost_by->slot().current) continue;
    stray.lost_by->note_lost(stray.record.generation, stray.record.phase == Phase::online,
                             desired_of(*stray.lost_by));
  }
  begin_boot();
  for (const auto& one : unfinished) resume(one);
}

/// Before anything starts: who connects from now on waits, and isn't refused.
Task<void> Supervisor::Impl::hold_sockets() {
  std::vector<AppSpec> specs;
  for (const auto& [name, app] : apps) specs.push_back(app.spec);
  for (const auto& spec : specs) {
    if (spec.held.empty()) continue;
    auto holding = services.sockets.hold(spec);
    const auto held = co_await std::move(holding);
    if (!held) {
      services.events.publish(
          {.type = "warning", .app = spec.name, .message = held.error().message});
      continue;
    }
    const auto slots =
        apps.contains(spec.name) ? apps.at(spec.name).instances : std::vector<InstancePtr>();
    for (const auto& slot : slots) {
      if (desired_of(*slot) == Desired::up) services.sockets.open(spec, slot->number());
    }
  }
}

void Supervisor::Impl::suspect_slots() {
  for (const auto& target : resolve_targets(apps, {})) {
    if (!target.instance->slot().current) suspects.insert(target.instance);
  }
}

/// Whether processes with the slot's mark live without a record.
Task<bool> Supervisor::Impl::held_back(InstancePtr instance) {
  bool held = false;
  if (suspects.contains(instance)) {
    auto looking = instance->held_back();
    held = co_await std::move(looking);
    if (!held) suspects.erase(instance);
  }
  co_return held;
}

void Supervisor::Impl::begin_boot() {
  std::vector<Target> targets;
  for (auto& target : resolve_targets(apps, {})) {
    const auto& slot = target.instance->slot();
    const bool goes_on =
        slot.current || slot.state == State::backoff || slot.state == State::failed;
    if (goes_on || desired_of(*target.instance) == Desired::down) continue;
    // Before any of them begins: those that come later wait for these.
    target.instance->expect_start(true);
    targets.push_back(std::move(target));
  }
  run_verb(
      std::move(targets), {}, Milliseconds(0),
      [this](Target target, Instance::Report report) {
        return start_one(std::move(target), Caller{.verb = "boot"}, std::move(report));
      },
      Caller{.verb = "boot"});
}

Supervisor::Supervisor(asio::io_context& loop, Directories directories, Config config)
    : impl_(std::make_unique<Impl>(loop, std::move(directories), std::move(config))) {}
Supervisor::~Supervisor() = default;

Task<void> Supervisor::run() {
  impl_->tell_log_places();
  co_await impl_->take_back();
}

std::optional<NoSuchApp> Supervisor::unknown_target(const Targets& targets) const {
  return find_unknown(impl_->apps, targets);
}

OperationPtr Supervisor::start(Targets targets, Caller caller) {
  return impl_->start(resolve_targets(impl_->apps, targets), std::move(caller));
}

OperationPtr Supervisor::stop(Targets targets, Caller caller) {
  return impl_->stop(resolve_targets(impl_->apps, targets), std::move(caller));
}

OperationPtr Supervisor::restart(Targets targets, bool force, Caller caller) {
  return impl_->restart(resolve_targets(impl_->apps, targets), force, std::move(caller));
}

Task<Result<std::vector<Signaled>>> Supervisor::signal(Targets targets, int signal, bool tree,
                                                       Caller caller) {
  std::vector<Signaled> out;
  for (const auto& target : resolve_targets(impl_->apps, targets)) {
    const auto generation = target.instance->generation();
    Signaled entry{target.instance->spec().name, target.instance->number(), {}};
    if (generation && generation->process.pid > 0) {
      target.instance->note_signal(signal, to_text(caller));
      if (tree) {
        const auto members = co_await impl_->services.trees.members(generation->tree);
        for (const auto& member : members) {
          const auto process = open_process(member.pid, member.start_ticks);
          if (process && send_signal(*process, signal)) entry.pids.push_back(member.pid);
        }
      } else if (send_signal(generation->process, signal)) {
        entry.pids.push_back(generation->process.pid);
      }
    }
    impl_->services.events.publish({.type = "verb",
                                    .app = entry.app,
                                    .instance = entry.instance,
                                    .message = signal_name(signal) + " by " + to_text(caller)});
    out.push_back(std::move(entry));
  }
  const bool none =
      std::all_of(out.begin(), out.end(), [](const Signaled& entry) { return entry.pids.empty(); });
  if (none) co_return Error{"no process to signal: nothing of that runs", "see `dixisctl list`"};
  co_return out;
}

namespace {

/// Whether a death of this slot isn't in the archive's hands yet.
bool owes_a_record(const Instance& instance) {
  const auto death = instance.status(Desired::down).last_death;
  const auto& record = instance.last_record();
  return death && (!record || record->death.generation < death->generation);
}

}  // namespace

/// The last deaths are on the disk: the loop may go. Bounded: a disk that hangs doesn't keep the
/// daemon.
Task<void> Supervisor::Impl::settle_deaths() {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  const auto owing = [this] {
    for (const auto& [name, app] : apps) {
      for (const auto& slot : app.instances) {
        if (owes_a_record(*slot)) return true;
      }
    }
    return false;
  };
  asio::steady_timer pause(services.loop);
  while (owing() && std::chrono::steady_clock::now() < until) {
    pause.expires_after(std::chrono::milliseconds(5));
    co_await pause.async_wait(asio::use_awaitable);
  }
  co_await services.deaths.flush();
}

Task<void> Supervisor::shut_down() {
  impl_->ending = true;
  const auto targets = resolve_targets(impl_->apps, {});
  const auto successors = impl_->successors_of(targets);
  auto operation = impl_->run_verb(
      targets, {}, Milliseconds(0),
      [impl = impl_.get(), successors](Target target, Instance::Report report) {
        return impl->stop_one(std::move(target), successors, {Cause::shutdown, "halt"},
                              std::move(report));
      },
      Caller{.verb = "shutdown"});
  co_await impl_->halt_besides();
  while (!operation->result()) co_await operation->changed().wait();
  co_await impl_->settle_deaths();
  co_await impl_->services.witness.close();
  // What comes after an end that was asked for begins anew.
  for (const auto& target : targets) {
    remove_slot(impl_->directories.runtime, target.instance->spec().name,
                target.instance->number());
  }
}

Task<void> Supervisor::leave() {
  impl_->ending = true;
  co_await impl_->settle_deaths();
}

void Supervisor::use_scopes(ServiceBus& bus) {
  impl_->services.bus = &bus;
}

Keeper& Supervisor::keeper() {
  return impl_->services.keeper;
}

bool Supervisor::shutting_down() const {
  return impl_->ending;
}
void Supervisor::request_shutdown() {
  impl_->shutdown_request.notify_all();
}
Notifier& Supervisor::shutdown_requested() {
  return impl_->shutdown_request;
}
EventBus& Supervisor::events() {
  return impl_->services.events;
}
void Supervisor::note_predecessor(std::string how) {
  impl_->predecessor = how;
  impl_->services.events.publish({.type = "predecessor", .message = std::move(how)});
}
const std::optional<std::string>& Supervisor::predecessor() const {
  return impl_->predecessor;
}
const Access& Supervisor::access() const {
  return impl_->config.access;
}
std::size_t Supervisor::app_count() const {
  return impl_->apps.size();
}

std::chrono::milliseconds Supervisor::uptime() const {
  return Milliseconds(boottime_ms() - impl_->started_ms);
}

}  // namespace dixis
