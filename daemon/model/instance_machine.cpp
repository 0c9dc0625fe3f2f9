#include "daemon/model/instance_machine.hpp"

#include <algorithm>

#include "daemon/model/backoff.hpp"

namespace dixis::machine {

namespace {

bool& armed(Timers& timers, Timer timer) {
  switch (timer) {
    case Timer::backoff:
      return timers.backoff;
    case Timer::start:
      return timers.start;
    case Timer::stop:
      break;
  }
  return timers.stop;
}

/// One step under way: the slot, and what is to be done about it.
class Stepper {
 public:
  Stepper(Slot slot, const Policy& policy, const Moment& moment)
      : slot_(std::move(slot)), policy_(policy), moment_(moment) {}

  Step finish() && { return {std::move(slot_), std::move(actions_)}; }

  void on(const Start&) {
    if (slot_.halted) return;
    slot_.desired = Desired::up;
    slot_.failures = 0;
    if (!slot_.current) return launch();
    // What is on its way out because of a stop comes back afterwards.
    if (slot_.current->ended_for || slot_.current->phase == Phase::ending) slot_.relaunch = true;
  }

  void on(const Stop& event) {
    slot_.desired = Desired::down;
    wind_down(event.reason);
  }

  void on(const Halt& event) {
    slot_.halted = true;
    wind_down(event.reason);
  }

  void on(const Restart& event) {
    if (slot_.halted) return;
    slot_.desired = Desired::up;
    slot_.failures = 0;
    if (!slot_.current) return launch();
    slot_.relaunch = true;
    end(event.reason);
  }

  void on(const Launched& event) {
    auto* life = living(event.generation);
    if (life == nullptr || life->phase != Phase::launching) return;
    if (life->ended_for) return terminate();
    life->phase = Phase::proving;
    arm(Timer::start, policy_.start.timeout);
    act(BeginProof{life->generation});
  }

  void on(const LaunchFailed& event) {
    auto* life = living(event.generation);
    if (life == nullptr || life->phase != Phase::launching) return;
    const Life failed = *life;
    slot_.current.reset();
    slot_.message = event.message;
    follow(failed, false);
  }

  void on(const Proven& event) {
    auto* life = living(event.generation);
    if (life == nullptr || life->phase != Phase::proving) return;
    cancel(Timer::start);
    life->phase = Phase::serving;
    life->proven_at_ms = moment_.now_ms;
    slot_.state = State::online;
    slot_.message.clear();
  }

  void on(const ProofFailed& event) {
    auto* life = living(event.generation);
    if (life == nullptr || life->phase != Phase::proving) return;
    slot_.message = event.reason.detail;
    end(event.reason);
  }

  void on(const Unhealthy& event) {
    auto* life = living(event.generation);
    if (life == nullptr || life->phase != Phase::serving) return;
    slot_.state = State::unhealthy;
    slot_.message = event.message;
    if (!life->well_until_ms) life->well_until_ms = event.well_until_ms;
    if (event.restart) end({Cause::unhealthy, event.message});
  }

  void on(const Recovered& event) {
    auto* life = living(event.generation);
    if (life == nullptr || life->phase != Phase::serving) return;
    life->well_until_ms.reset();
    slot_.state = State::online;
    slot_.message.clear();
  }

  void on(const LeaderDied& event) {
    auto* life = living(event.generation);
    if (life == nullptr || life->leader_dead || life->phase == Phase::launching) return;
    life->leader_dead = true;
    life->exit_code = event.exit_code;
    life->clean_exit = event.exit_code == 0;
    if (!life->ended_for) slot_.message.clear();
    cancel(Timer::start);
    if (life->phase != Phase::ending) {
      life->phase = Phase::ending;
      arm(Timer::stop, std::min(policy_.stop.timeout, kOrphanGrace));
    }
    slot_.state = State::stopping;
    act(Sweep{life->generation});
  }

  void on(const TreeGone& event) { buried(event.generation, {}); }

  void on(const PortHeld& event) { buried(event.generation, event.message); }

  void on(const TimerFired& event) {
    if (!std::exchange(armed(slot_.timers, event.timer), false)) return;
    switch (event.timer) {
      case Timer::backoff:
        ++slot_.restarts;
        return launch();
      case Timer::start:
        return end({Cause::start_timeout, "not proven within its start timeout"});
      case Timer::stop:
        // Once it had to be killed, that stays true while its orphans are looked after.
        if (!slot_.current->leader_dead) slot_.current->escalated = true;
        act(KillTree{slot_.current->generation});
        // It can fire again: what is in uninterruptible sleep takes the signal later. Not at once:
        // the stop timeout may be 0.
        arm(Timer::stop, std::max(policy_.stop.timeout, kOrphanGrace));
    }
  }

  void on(const Adopted& event) {
    if (slot_.current) return;
    cancel(Timer::backoff);
    slot_.next_generation = std::max(slot_.next_generation, event.generation + 1);
    slot_.restarts = event.restarts;
    slot_.failures = event.failures;
    slot_.current = Life{.generation = event.generation, .phase = Phase::proving};
    slot_.state = State::starting;
    if (event.proven) {
      slot_.current->phase = Phase::serving;
      slot_.current->proven_at_ms = moment_.now_ms;
      slot_.state = State::online;
    } else {
      const auto least = std::min(kLeastProof, policy_.start.timeout);
      arm(Timer::start, std::max(policy_.start.timeout - event.age, least));
      act(BeginProof{event.generation});
    }
    take_up_life(event.before);
    if (slot_.desired == Desired::down) end({Cause::verb, "a stop that was under way"});
  }

  void on(const Resumed& event) {
    if (slot_.current) return;
    take_up_counts(event.before);
    if (stays_down()) return;
    if (event.before.state == State::backoff) {
      slot_.state = State::backoff;
      slot_.message = event.before.message;
      arm(Timer::backoff, event.retry_in);
    } else if (event.before.state == State::failed) {
      slot_.state = State::failed;
      slot_.message = event.before.message;
    }
  }

  void on(const Lost& event) {
    if (slot_.current) return;
    slot_.next_generation = std::max(slot_.next_generation, event.generation + 1);
    Life dead{.generation = event.generation, .phase = Phase::ending, .leader_dead = true};
    if (event.proven) dead.proven_at_ms = moment_.now_ms;
    if (event.before) {
      take_up_counts(*event.before);
      slot_.relaunch = event.before->relaunch;
      if (const auto& life = event.before->current; life && life->generation == event.generation) {
        dead.proven_at_ms = life->proven_at_ms;
        dead.well_until_ms = life->well_until_ms;
        dead.ended_for = life->ended_for;
      }
    }
    follow(dead, dead.proven_at_ms.has_value());
  }

 private:
  void take_up_counts(const Slot& before) {
    slot_.next_generation = std::max(slot_.next_generation, before.next_generation);
    slot_.restarts = before.restarts;
    slot_.failures = before.failures;
  }

  /// What a predecessor knew of the generation that has just been adopted.
  void take_up_life(const std::optional<Slot>& before) {
    if (!before) return;
    take_up_counts(*before);
    const auto& life = before->current;
    if (!life || life->generation != slot_.current->generation) return;
    if (slot_.current->phase == Phase::serving) {
      if (life->proven_at_ms) slot_.current->proven_at_ms = life->proven_at_ms;
      slot_.current->well_until_ms = life->well_until_ms;
      // Until a probe says otherwise.
      if (life->well_until_ms) slot_.state = State::unhealthy;
      slot_.message = before->message;
    }
    if (!life->ended_for) return;
    slot_.relaunch = before->relaunch && !stays_down();
    end(*life->ended_for);
  }

  Life* living(std::uint64_t generation) {
    if (!slot_.current || slot_.current->generation != generation) return nullptr;
    return &*slot_.current;
  }

  void act(Action action) { actions_.push_back(action); }

  void arm(Timer timer, Milliseconds delay) {
    armed(slot_.timers, timer) = true;
    act(ArmTimer{timer, delay});
  }

  void cancel(Timer timer) {
    if (std::exchange(armed(slot_.timers, timer), false)) act(CancelTimer{timer});
  }

  void launch() {
    cancel(Timer::backoff);
    slot_.relaunch = false;
    slot_.state = State::starting;
    slot_.current = Life{.generation = slot_.next_generation++};
    act(Launch{slot_.current->generation});
  }

  /// No further generation, and an end for the one that is there.
  void wind_down(const Reason& reason) {
    slot_.relaunch = false;
    slot_.failures = 0;
    cancel(Timer::backoff);
    if (slot_.current) return end(reason);
    slot_.state = State::stopped;
    slot_.message.clear();
  }

  void end(const Reason& reason) {
    auto& life = *slot_.current;
    // The first reason is why it dies; a second one only changes what follows.
    if (!life.ended_for && !life.leader_dead) life.ended_for = reason;
    slot_.state = State::stopping;
    if (life.phase == Phase::proving || life.phase == Phase::serving) terminate();
  }

  void terminate() {
    cancel(Timer::start);
    slot_.current->phase = Phase::ending;
    act(Terminate{slot_.current->generation});
    arm(Timer::stop, policy_.stop.timeout);
  }

  void buried(std::uint64_t generation, const std::string& port_held) {
    auto* life = living(generation);
    if (life == nullptr || !life->leader_dead) return;
    cancel(Timer::stop);
    act(Bury{generation});
    const Life dead = *life;
    slot_.current.reset();
    if (!port_held.empty() && stays_down()) {
      slot_.state = State::failed;
      slot_.message = port_held;
      return;
    }
    follow(dead, dead.proven_at_ms.has_value());
  }

  bool stays_down() const { return slot_.desired == Desired::down || slot_.halted; }

  /// What comes after a generation: nothing, the next one at once, or later.
  void follow(const Life& dead, bool proven) {
    if (stays_down()) {
      slot_.state = State::stopped;
      slot_.relaunch = false;
      slot_.message.clear();
      return;
    }
    if (slot_.relaunch) return launch();
    // What ails each time it is restarted has not been well, however long that took to see.
    const auto well_until = dead.well_until_ms.value_or(moment_.now_ms);
    if (proven && well_until - *dead.proven_at_ms >= policy_.restart.reset_after.count()) {
      slot_.failures = 0;
    }
    ++slot_.failures;
    if (gives_up(dead)) return;
    if (proven && slot_.failures == 1) {
      ++slot_.restarts;
      return launch();
    }
    // The free restart of a proven generation doesn't count as a step of the backoff.
    const std::uint32_t steps = proven ? slot_.failures - 1 : slot_.failures;
    slot_.state = State::backoff;
    arm(Timer::backoff, backoff_delay(policy_.restart.backoff, steps, moment_.random));
  }

  bool gives_up(const Life& dead) {
    const auto& policy = policy_.restart;
    const bool by_itself = dead.leader_dead && !dead.ended_for;
    std::string why;
    if (policy.on == RestartPolicy::On::never && dead.leader_dead) {
      why = "it ended, and restart.on is never";
    } else if (policy.on == RestartPolicy::On::failure && by_itself && dead.clean_exit) {
      why = "it exited with 0, and restart.on is failure";
    } else if (by_itself && dead.exit_code &&
               std::find(policy.not_on.begin(), policy.not_on.end(), *dead.exit_code) !=
                   policy.not_on.end()) {
      why = "it exited with " + std::to_string(*dead.exit_code) + ", which restart.not_on names";
    } else if (policy.give_up_after && slot_.failures >= *policy.give_up_after) {
      why = "given up after " + std::to_string(slot_.failures) + " failures in a row" +
            (slot_.message.empty() ? "" : "; the last: " + slot_.message);
    }
    if (why.empty()) return false;
    slot_.state = State::failed;
    slot_.message = why;
    return true;
  }

  Slot slot_;
  const Policy& policy_;
  const Moment& moment_;
  std::vector<Action> actions_;
};

}  // namespace

Step step(Slot slot, const Event& event, const Policy& policy, const Moment& moment) {
  Stepper stepper(std::move(slot), policy, moment);
  std::visit([&](const auto& what) { stepper.on(what); }, event);
  return std::move(stepper).finish();
}

bool timers_in_order(const Slot& slot) {
  const auto in_phase = [&](Phase phase) { return slot.current && slot.current->phase == phase; };
  return slot.timers == Timers{.backoff = slot.state == State::backoff,
                               .start = in_phase(Phase::proving),
                               .stop = in_phase(Phase::ending)};
}

}  // namespace dixis::machine
