#pragma once

#include <catch2/catch.hpp>

#include "daemon/model/instance_machine.hpp"

namespace dixis::test {

using namespace dixis::machine;
using namespace std::chrono_literals;

/// A slot with its clock; keeps what the last step asked for.
class Driver {
 public:
  Policy policy{};
  Slot slot{};
  std::vector<Action> actions{};
  std::int64_t now_ms = 1'000'000;

  Driver() { policy.restart.backoff.jitter = 0; }

  Driver& feed(const machine::Event& event) {
    auto next = step(std::move(slot), event, policy, {now_ms, 0.5});
    slot = std::move(next.slot);
    actions = std::move(next.actions);
    CHECK(timers_in_order(slot));
    return *this;
  }

  template <class A>
  const A* did() const {
    for (const auto& action : actions) {
      if (const auto* found = std::get_if<A>(&action)) return found;
    }
    return nullptr;
  }

  std::uint64_t current() const { return slot.current ? slot.current->generation : 0; }

  /// The delay of the timer that the last step armed.
  std::optional<Milliseconds> armed(Timer timer) const {
    for (const auto& action : actions) {
      const auto* arm = std::get_if<ArmTimer>(&action);
      if (arm != nullptr && arm->timer == timer) return arm->delay;
    }
    return std::nullopt;
  }

  void start() { feed(Start{}); }
  void prove() { feed(Launched{current()}).feed(Proven{current()}); }
  void run() {
    start();
    prove();
  }
  /// The leader ends by itself after `lived`, and nothing is left of its tree.
  void die(Milliseconds lived, std::optional<int> code = 1) {
    now_ms += lived.count();
    const auto generation = current();
    feed(LeaderDied{generation, code});
    feed(TreeGone{generation});
  }
  void back_off() { feed(TimerFired{Timer::backoff}); }
};

}  // namespace dixis::test
