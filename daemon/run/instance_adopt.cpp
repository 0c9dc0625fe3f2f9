// Taking back what a predecessor of this daemon left.
#include <algorithm>
#include <csignal>

#include "common/death.hpp"
#include "daemon/run/instance.hpp"
#include "daemon/run/log_settings_of.hpp"
#include "daemon/run/spec_digest.hpp"
#include "daemon/run/stray.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

void Instance::record_lost(const GenerationRecord& record) {
  // Its number stays its own, so that no other generation gets its record or its mark.
  slot_.next_generation = std::max(slot_.next_generation, record.generation + 1);
  if (record.phase == Phase::gated) return;  // it never became the app
  Death death = lost_death(record);
  if (noted_ && noted_->generation == record.generation && noted_->ended_for) {
    death.cause = noted_->ended_for->cause;  // it was asked to end before
    death.detail = noted_->ended_for->detail;
    death.message = death_message(death);
  }
  slot_.restarts = record.restarts;
  last_death_ = death;
  DeathRecord kept;
  kept.app = spec_.name;
  kept.instance = number_;
  kept.death = death;
  kept.build = record.build;
  kept.reaction = "found when the daemon came back";
  last_record_ = kept;
  services_.deaths.append(std::move(kept));
  // Carried before the copies go: until then a further crash must not lose what they hold.
  if (resume_pipes(record.generation)) spawn(forget_carried_pipes(record.generation));
  spawn(end_orphaned_probes());
  publish({.type = "death",
           .generation = record.generation,
           .pid = record.pid,
           .death = death,
           .message = death.message});
}

bool Instance::outdated() const {
  return generation_ && !generation_->spec_digest.empty() &&
         generation_->spec_digest != spec_digest(spec_);
}

void Instance::adopt(const GenerationRecord& record, Process process, Desired desired) {
  const auto generation = std::make_shared<Generation>();
  generation->number = record.generation;
  // After an upgrade it still is our child.
  generation->adopted = !services_.reaper.hold_child(process);
  generation->spec_digest = record.spec_digest;
  generation->tree = {record.tree_mark, process.pid, process.start_ticks, record.cgroup};
  generation->process = std::move(process);
  generation->exec_ms = record.started_boot_ms;
  generation->begun_ms = record.started_boot_ms;
  if (record.port) {
    generation->plan.listen = ListenAddress{record.host, static_cast<std::uint16_t>(*record.port)};
  }
  if (record.build) {
    generation->build.emplace();
    generation->build->id = record.build;
  }
  last_listen_ = generation->plan.listen;
  generation_ = generation;
  take_back_sockets(*generation, record);
  slot_.desired = desired;
  if (!resume_pipes(record.generation)) {
    const auto carried = services_.capture.adopt(log_source(record.generation),
                                                 log_settings_of(spec_), generation->process.pid);
    if (!carried) publish({.type = "warning", .message = carried.error().message});
  }
  watch_death(generation);
  machine::Adopted adopted{record.generation, record.phase == Phase::online, record.restarts,
                           record.consecutive_failures};
  if (noted_) adopted.before = from_record(*noted_);
  adopted.age = Milliseconds(std::max<std::int64_t>(boottime_ms() - record.started_boot_ms, 0));
  apply(std::move(adopted));
  generation->unwell_before = slot_.state == State::unhealthy;
  spawn(watch(generation));
  spawn(end_orphaned_probes());
  if (serves(record.generation)) spawn(resume(generation));
}

/// What it holds for us, and how it took it.
void Instance::take_back_sockets(Generation& generation, const GenerationRecord& record) {
  if (spec_.held.empty()) return;
  services_.sockets.take_back(spec_, number_, generation.process.pid);
  generation.held = spec_.held;
  if (record.took) generation.took = record.took == "adopter" ? Took::adopter : Took::itself;
}

/// The adopter connects again as soon as somebody listens.
void Instance::reopen_adopter(Generation& generation) {
  if (generation.held.empty() || generation.adopter) return;
  if (const auto opened = open_adopter(generation); !opened) {
    publish({.type = "warning", .message = opened.error().message});
  } else if (generation.took == Took::adopter && serves(generation.number) && !heir_) {
    generation.adopter->join();  // it may not have heard
  }
  changed_.notify_all();
}

Task<bool> Instance::held_back() {
  const auto self = shared_from_this();
  const auto living = co_await services_.trees.marked(tree_mark_prefix());
  if (living.empty() || slot_.current) co_return false;
  slot_.message =
      "not started: " + living.front().comm + " (pid " + std::to_string(living.front().pid) +
      ") carries its mark, and its record is damaged; `dixisctl stop " + label() + "` ends it";
  publish({.type = "warning", .pid = living.front().pid, .message = slot_.message});
  co_return true;
}

/// Commands of probes that the predecessor had started: nobody waits for their answer any more.
Task<void> Instance::end_orphaned_probes() {
  const auto self = shared_from_this();
  auto orphans = co_await services_.trees.marked(probe_mark_prefix());
  const auto until = std::chrono::steady_clock::now() + stop_deadline();
  co_await end_members(std::move(orphans), services_.reaper, SIGKILL, until);
}

/// What a launch had looked up, from the configuration as it is now.
Task<void> Instance::restore(std::shared_ptr<Generation> generation) {
  const auto self = shared_from_this();
  PreflightRequest request{spec_, {number_, generation->tree.mark}, generation->tree, false};
  auto plan = co_await preflight_on(services_.slow_worker, std::move(request));
  if (plan) {
    const auto listen = generation->plan.listen;
    generation->plan = std::move(*plan);
    generation->plan.listen = listen;
  }
  reopen_adopter(*generation);
  watch_build(generation->plan.credentials);
  const AppSpec spec = spec_;
  auto read = [spec, credentials = generation->plan.credentials] {
    return read_build(spec, credentials);
  };
  auto on_disk = co_await services_.slow_worker.run(std::move(read));
  if (on_disk && *on_disk) {
    if (!build_on_disk_) build_on_disk_ = **on_disk;
    const auto running = generation->build ? generation->build->id : std::nullopt;
    generation->build = std::move(**on_disk);
    generation->build->id = running;
  }
  generation->health = HealthBook(probes_of(*generation));
  if (auto notify = open_notify_socket(*generation); !notify) {
    publish({.type = "warning", .message = notify.error().message});
  }
}

/// Its probes go on.
Task<void> Instance::resume(std::shared_ptr<Generation> generation) {
  const auto self = shared_from_this();
  co_await restore(generation);
  if (!serves(generation->number)) co_return;
  // It was ready, or it would not have been proven.
  generation->ready = true;
  generation->watchdog_fed_ms = boottime_ms();
  if (generation->took == Took::itself) {
    generation->found_at = spec_.listen;
  } else if (generation->plan.listen && generation->took == Took::nothing) {
    auto listeners = ListenerWatch::on_port(generation->plan.listen->port);
    const auto proof = co_await look_at_port(generation, std::move(listeners));
    if (proof.proven) generation->found_at = proof.at;
  }
  if (!serves(generation->number)) co_return;
  begin_monitoring(generation);
  co_await find_flaw(generation);
}

}  // namespace dixis
