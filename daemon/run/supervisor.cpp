#include "daemon/run/supervisor.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "daemon/model/words.hpp"
#include "daemon/run/records.hpp"
#include "daemon/run/supervisor_impl.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

namespace asio = boost::asio;

Supervisor::Impl::Impl(asio::io_context& loop, Directories where, Config loaded)
    : directories(std::move(where)),
      config(std::move(loaded)),
      services(loop, directories),
      started_ms(boottime_ms()) {
  for (const auto& [name, spec] : config.apps) add_app(spec);
}

void Supervisor::Impl::add_app(const AppSpec& spec) {
  App app{spec, {}};
  for (std::uint32_t number = 0; number < spec.instances; ++number) {
    app.instances.push_back(std::make_shared<Instance>(services, spec, number));
  }
  apps[spec.name] = std::move(app);
}

Desired Supervisor::Impl::desired_of(const Instance& instance) const {
  const auto& name = instance.spec().name;
  // A stop of the whole app counts for each of its slots; a slot's own entry is newer or absent.
  if (services.desired.of(name) == Desired::down) return Desired::down;
  return services.desired.of(name + ":" + std::to_string(instance.number()));
}

void Supervisor::Impl::adopt_record(const GenerationRecord& record) {
  const auto label = record.app + " (pid " + std::to_string(record.pid) + ")";
  const auto forget = [&] {
    remove_record(directories.runtime, record.app, record.instance, record.generation);
  };
  // A child at the gate saw its daemon die and has exited, or will.
  if (record.boot_id != services.boot || record.phase == Phase::gated) return forget();
  auto process = open_process(static_cast<pid_t>(record.pid), record.start_ticks);
  if (!process) {
    spdlog::warn("{} ended while no daemon was watching: how is unknown", label);
    return forget();
  }
  const auto app = apps.find(record.app);
  if (app == apps.end() || record.instance >= app->second.instances.size() ||
      app->second.instances[record.instance]->slot().current) {
    spdlog::warn(
        "{} still runs, but the configuration has no place for it: it is left alone; "
        "end it with `kill {}`",
        label, record.pid);
    return forget();
  }
  const auto& instance = app->second.instances[record.instance];
  spdlog::info("took back {}", label);
  instance->adopt(record, std::move(*process), desired_of(*instance));
}

void Supervisor::Impl::take_back() {
  const auto loaded = services.desired.load();
  for (const auto& report : loaded.reports) spdlog::warn("{}", report);
  const auto records = load_records(directories.runtime);
  for (const auto& report : records.reports) spdlog::warn("{}", report);
  for (const auto& record : records.records) adopt_record(record);
}

OperationPtr Supervisor::Impl::begin_boot() {
  std::vector<Target> targets;
  for (auto& target : resolve_targets(apps, {})) {
    const bool runs = target.instance->slot().current.has_value();
    if (runs || desired_of(*target.instance) == Desired::down) continue;
    // Before any of them begins: those that come later wait for these.
    target.instance->expect_start(true);
    targets.push_back(std::move(target));
  }
  return run_verb(
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
  impl_->take_back();
  impl_->begin_boot();
  co_return;
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

Task<void> Supervisor::shut_down() {
  impl_->ending = true;
  const auto targets = resolve_targets(impl_->apps, {});
  auto operation = impl_->run_verb(
      targets, {}, Milliseconds(0),
      [impl = impl_.get(), targets](Target target, Instance::Report report) {
        return impl->stop_one(std::move(target), targets, {Cause::shutdown, "halt"},
                              std::move(report));
      },
      Caller{.verb = "shutdown"});
  while (!operation->result()) co_await operation->changed().wait();
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
