#include "daemon/run/instance.hpp"

#include <csignal>
#include <utility>

#include "common/death.hpp"
#include "daemon/run/log_settings_of.hpp"
#include "daemon/sys/clock.hpp"
#include "daemon/sys/fault.hpp"

namespace dixis {

namespace asio = boost::asio;

Instance::Instance(Services& services, AppSpec spec, std::uint32_t number)
    : services_(services),
      spec_(std::move(spec)),
      number_(number),
      backoff_timer_(services.loop),
      start_timer_(services.loop),
      stop_timer_(services.loop),
      build_watch_key_(std::to_string(services.next_key++)) {}

Instance::~Instance() {
  services_.builds.unwatch(build_watch_key_);
}

void Instance::set_spec(AppSpec spec) {
  const bool other_logs = spec_.logs != spec.logs || spec_.instances != spec.instances;
  spec_ = std::move(spec);
  if (other_logs) services_.capture.configure(spec_.name, log_settings_of(spec_));
  if (!generation_ || !generation_->exec_ms) return;
  watch_build(generation_->plan.credentials);
  if (!serves(generation_->number)) return;
  renew_probes(generation_);
  begin_following_memory(generation_);
}

std::string Instance::label() const {
  return spec_.instances > 1 ? spec_.name + ":" + std::to_string(number_) : spec_.name;
}

bool Instance::runs(std::uint64_t generation) const {
  return slot_.current && slot_.current->generation == generation;
}

void Instance::spawn(Task<void> task) {
  // An exception in supervision is a bug: let it end the daemon, whose apps outlive it.
  asio::co_spawn(services_.loop, std::move(task), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
}

void Instance::publish(Event event) const {
  event.app = spec_.name;
  event.instance = number_;
  if (!event.state) event.state = slot_.state;
  services_.events.publish(std::move(event));
}

void Instance::expect_start(bool expected) {
  start_expected_ = expected;
  changed_.notify_all();
}

bool Instance::settled() const {
  if (start_expected_) return false;
  if (slot_.current && slot_.current->phase == machine::Phase::serving) return true;
  if (slot_.failures > 0) return true;
  return !slot_.current;
}

void Instance::apply(machine::Event event) {
  pending_.push_back(std::move(event));
  if (std::exchange(applying_, true)) return;
  while (!pending_.empty()) {
    const auto next = std::move(pending_.front());
    pending_.pop_front();
    apply_one(next);
  }
  applying_ = false;
  note_slot();
  changed_.notify_all();
}

void Instance::apply_one(const machine::Event& event) {
  const auto before = slot_.state;
  const double random = std::uniform_real_distribution<double>(0, 1)(services_.random);
  auto step = machine::step(std::move(slot_), event, policy(), {boottime_ms(), random});
  slot_ = std::move(step.slot);
  for (const auto& action : step.actions) {
    std::visit([this](const auto& what) { carry_out(what); }, action);
  }
  const bool serving = slot_.current && slot_.current->phase == machine::Phase::serving;
  if (generation_ && !serving) generation_->left.notify_all();
  // While a reload is under way, the slot is live by one of its two.
  if (!spec_.held.empty() && !beside_ && !heir_) {
    services_.sockets.set_live(spec_, number_, serving);
  }
  if (slot_.state == before) return;
  Event change{.type = "state"};
  if (slot_.current) change.generation = slot_.current->generation;
  change.message = slot_.message;
  publish(std::move(change));
}

void Instance::carry_out(const machine::Launch& action) {
  spawn(launch(action.generation));
}

void Instance::carry_out(const machine::BeginProof& /*action*/) {
  spawn(prove(generation_));
}

void Instance::carry_out(const machine::Terminate& /*action*/) {
  stop_begun_ms_ = boottime_ms();
  // The number of an adopted leader is free for others once init has reaped it.
  if (!generation_->adopted || !has_ended(generation_->process)) {
    signal_group(generation_->process.pid, spec_.stop.signal);
    // One that is frozen by SIGSTOP can answer only when it runs again.
    signal_group(generation_->process.pid, SIGCONT);
  }
}

void Instance::carry_out(const machine::KillTree& /*action*/) {
  generation_->killing = true;
  generation_->note_tree_change();
  if (!slot_.current->leader_dead) spawn(kill_members(generation_));
}

void Instance::carry_out(const machine::Sweep& /*action*/) {
  spawn(sweep(generation_));
}

void Instance::carry_out(const machine::Bury& /*action*/) {
  if (!beside_ && !heir_) services_.sockets.requeue(spec_, number_);
  forget_death(*generation_);
  services_.reaper.release(generation_->process.pid);
  fault::point("record-stale");
  remove_record(services_.runtime_directory, spec_.name, number_, generation_->number);
  if (stop_begun_ms_ != 0) {
    const auto took = boottime_ms() - std::exchange(stop_begun_ms_, 0);
    last_timeline_ = {{"stop", took}};
  } else {
    last_timeline_.clear();
  }
  if (generation_->death) spawn(archive(generation_));
  generation_.reset();
}

asio::steady_timer& Instance::timer(machine::Timer which) {
  switch (which) {
    case machine::Timer::backoff:
      return backoff_timer_;
    case machine::Timer::start:
      return start_timer_;
    case machine::Timer::stop:
      break;
  }
  return stop_timer_;
}

void Instance::carry_out(const machine::ArmTimer& action) {
  auto& which = timer(action.timer);
  which.expires_after(action.delay);
  const auto expiry = which.expiry();
  if (action.timer == machine::Timer::backoff) retry_at_ms_ = boottime_ms() + action.delay.count();
  which.async_wait([self = shared_from_this(), kind = action.timer,
                    expiry](const boost::system::error_code& error) {
    // An expiry that was queued when the timer was re-armed is no expiry of the new one.
    if (error || self->timer(kind).expiry() != expiry) return;
    self->timer_fired(kind);
  });
}

void Instance::carry_out(const machine::CancelTimer& action) {
  // Also outdates an expiry that is queued already.
  timer(action.timer).expires_at(asio::steady_timer::time_point::max());
}

void Instance::timer_fired(machine::Timer which) {
  if (which == machine::Timer::start && generation_) {
    // The same end as the machine's own, with what the proof was waiting for.
    return not_proven(*generation_, why_not_proven(*generation_));
  }
  apply(machine::TimerFired{which});
}

InstanceStatus Instance::status(Desired desired) const {
  InstanceStatus out;
  out.app = spec_.name;
  out.instance = number_;
  out.state = slot_.state;
  out.desired = desired;
  out.restarts = slot_.restarts;
  out.message = slot_.message;
  out.last_death = last_death_;
  out.build = build_view();
  if (start_expected_ && !slot_.current) {
    out.state = State::starting;
    out.message = "waits for what it starts after";
  }
  if (generation_ && generation_->process.pid > 0) {
    out.pid = generation_->process.pid;
    out.generation = generation_->number;
    if (generation_->exec_ms) out.uptime_ms = boottime_ms() - *generation_->exec_ms;
    out.health = generation_->health.view(boottime_ms());
    if (out.message.empty()) out.message = generation_->status_text;
  }
  if (const auto& listen = generation_ ? generation_->plan.listen : last_listen_; listen) {
    out.port = listen->port;
  } else if (spec_.listen) {
    out.port = spec_.listen->port;
  }
  add_others(out);
  if (slot_.state == State::backoff) {
    out.retry_in_ms = std::max<std::int64_t>(0, retry_at_ms_ - boottime_ms());
  }
  if (out.message.empty() && last_death_ && !generation_ && slot_.desired == Desired::up) {
    out.message = last_death_->message;
  }
  return out;
}

Milliseconds Instance::stop_deadline() const {
  // Beyond the stop timeout: the kill, and the look whether all is gone.
  return spec_.stop.timeout + std::chrono::seconds(5);
}

Milliseconds Instance::start_deadline() const {
  // Twice: a restart may wait for a build that is under way, as long as a start may take.
  return 2 * spec_.start.timeout + std::chrono::seconds(10);
}

std::vector<ProbeReport> Instance::health_history() const {
  return generation_ ? generation_->health.history() : std::vector<ProbeReport>();
}

Task<void> Instance::halt() {
  const auto self = shared_from_this();
  start_expected_ = false;
  apply(machine::Halt{{Cause::shutdown, "dixisd was told to end"}});
  const auto deadline = std::chrono::steady_clock::now() + stop_deadline();
  while (slot_.current) {
    const auto left =
        std::chrono::duration_cast<Milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= Milliseconds(0)) co_return;
    co_await changed_.wait(left);
  }
  // Nobody is left to wait for a probe's command that is still under way.
  if (probe_runs_ > 0) co_await end_orphaned_probes();
}

}  // namespace dixis
