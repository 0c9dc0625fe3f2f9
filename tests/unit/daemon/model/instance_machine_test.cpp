#include "daemon/model/instance_machine.hpp"

#include <algorithm>

#include <catch2/catch.hpp>

using namespace dixis;
using namespace dixis::machine;
using namespace std::chrono_literals;

namespace {

using Event = machine::Event;

const Reason kVerb{Cause::verb, "a test"};

/// A slot with its clock; keeps what the last step asked for.
class Driver {
 public:
  Policy policy{};
  Slot slot{};
  std::vector<Action> actions{};
  std::int64_t now_ms = 1'000'000;

  Driver() { policy.restart.backoff.jitter = 0; }

  Driver& feed(const Event& event) {
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

}  // namespace

TEST_CASE("a slot goes from start through proof to stop", "[machine]") {
  Driver slot;
  slot.start();
  REQUIRE(slot.did<Launch>() != nullptr);
  CHECK(slot.slot.state == State::starting);
  slot.feed(Launched{1});
  REQUIRE(slot.did<BeginProof>() != nullptr);
  CHECK(slot.armed(Timer::start) == slot.policy.start.timeout);
  slot.feed(Proven{1});
  CHECK(slot.slot.state == State::online);
  slot.feed(Stop{kVerb});
  REQUIRE(slot.did<Terminate>() != nullptr);
  CHECK(slot.armed(Timer::stop) == slot.policy.stop.timeout);
  CHECK(slot.slot.state == State::stopping);
  slot.feed(LeaderDied{1, {}});
  CHECK(slot.did<Sweep>() != nullptr);
  CHECK(slot.slot.state == State::stopping);
  slot.feed(TreeGone{1});
  CHECK(slot.did<Bury>() != nullptr);
  CHECK(slot.slot.state == State::stopped);
  CHECK_FALSE(slot.slot.current);
  CHECK(slot.slot.restarts == 0);
}

TEST_CASE("start on what runs changes nothing", "[machine]") {
  Driver slot;
  slot.run();
  slot.start();
  CHECK(slot.actions.empty());
  CHECK(slot.slot.state == State::online);
}

TEST_CASE("restart starts the new one when the old tree is gone, not before", "[machine]") {
  Driver slot;
  slot.run();
  slot.feed(Restart{kVerb});
  CHECK(slot.did<Terminate>() != nullptr);
  CHECK(slot.did<Launch>() == nullptr);
  slot.feed(LeaderDied{1, {}});
  CHECK(slot.did<Launch>() == nullptr);
  slot.feed(TreeGone{1});
  REQUIRE(slot.did<Launch>() != nullptr);
  CHECK(slot.did<Launch>()->generation == 2);
  CHECK(slot.slot.restarts == 0);  // it was asked for
}

TEST_CASE("what outlives the stop timeout is killed, again and again", "[machine]") {
  Driver slot;
  slot.run();
  slot.feed(Stop{kVerb});
  slot.feed(TimerFired{Timer::stop});
  CHECK(slot.did<KillTree>() != nullptr);
  CHECK(slot.slot.current->escalated);
  CHECK(slot.armed(Timer::stop));
  slot.feed(LeaderDied{1, {}});
  // What is left is killed too; that the leader had to be killed stays true.
  slot.feed(TimerFired{Timer::stop});
  CHECK(slot.did<KillTree>() != nullptr);
  CHECK(slot.slot.current->escalated);
}

TEST_CASE("a leader that stopped in time wasn't killed, though its orphans were", "[machine]") {
  Driver slot;
  slot.run();
  slot.feed(Stop{kVerb}).feed(LeaderDied{1, 0}).feed(TimerFired{Timer::stop});
  CHECK(slot.did<KillTree>() != nullptr);
  CHECK_FALSE(slot.slot.current->escalated);
}

TEST_CASE("orphans of a dead leader get a short grace", "[machine]") {
  Driver slot;
  slot.run();
  slot.feed(LeaderDied{1, 1});
  CHECK(slot.armed(Timer::stop) == kOrphanGrace);

  Driver hasty;
  hasty.policy.stop.timeout = 100ms;
  hasty.run();
  hasty.feed(LeaderDied{1, 1});
  CHECK(hasty.armed(Timer::stop) == 100ms);
}

TEST_CASE("a stop ends a start at each of its stages", "[machine]") {
  Driver slot;
  slot.start();
  SECTION("before the spawn") {
    slot.feed(Stop{kVerb});
    CHECK(slot.slot.state == State::stopping);
    slot.feed(Launched{1});
    CHECK(slot.did<BeginProof>() == nullptr);
    CHECK(slot.did<Terminate>() != nullptr);
  }
  SECTION("before a spawn that fails") {
    slot.feed(Stop{kVerb}).feed(LaunchFailed{1, "no such file"});
    CHECK(slot.slot.state == State::stopped);
  }
  SECTION("during the proof") {
    slot.feed(Launched{1}).feed(Stop{kVerb});
    CHECK(slot.did<Terminate>() != nullptr);
    CHECK_FALSE(slot.slot.timers.start);
  }
  SECTION("during the backoff") {
    slot.feed(LaunchFailed{1, "no such file"});
    REQUIRE(slot.slot.state == State::backoff);
    slot.feed(Stop{kVerb});
    CHECK(slot.slot.state == State::stopped);
    CHECK(slot.did<CancelTimer>() != nullptr);
  }
}

TEST_CASE("a start during a stop brings the app back when it is gone", "[machine]") {
  Driver slot;
  slot.run();
  slot.feed(Stop{kVerb}).feed(Start{}).feed(LeaderDied{1, 0}).feed(TreeGone{1});
  CHECK(slot.did<Launch>() != nullptr);
  CHECK(slot.slot.restarts == 0);
}

TEST_CASE("a stop takes back the restart before it", "[machine]") {
  Driver slot;
  slot.run();
  slot.feed(Restart{kVerb}).feed(Stop{kVerb}).feed(LeaderDied{1, 0}).feed(TreeGone{1});
  CHECK(slot.did<Launch>() == nullptr);
  CHECK(slot.slot.state == State::stopped);
}

TEST_CASE("the first death of a proven generation restarts at once", "[machine][restart]") {
  Driver slot;
  slot.run();
  slot.die(5s);
  REQUIRE(slot.did<Launch>() != nullptr);
  CHECK(slot.slot.state == State::starting);
  CHECK(slot.slot.restarts == 1);
}

TEST_CASE("the backoff counts from the second death within reset_after", "[machine][restart]") {
  Driver slot;
  slot.run();
  slot.die(1s);
  for (const auto delay : {100ms, 200ms, 400ms, 800ms}) {
    slot.prove();
    slot.die(1s);
    CHECK(slot.slot.state == State::backoff);
    CHECK(slot.armed(Timer::backoff) == delay);
    slot.back_off();
    CHECK(slot.did<Launch>() != nullptr);
  }
  CHECK(slot.slot.restarts == 5);
}

TEST_CASE("a proven life of reset_after makes the next death a first one", "[machine][restart]") {
  Driver slot;
  slot.run();
  slot.die(1s);
  slot.prove();
  SECTION("a millisecond less doesn't") {
    slot.die(slot.policy.restart.reset_after - 1ms);
    CHECK(slot.armed(Timer::backoff) == 100ms);
  }
  SECTION("it does") {
    slot.die(slot.policy.restart.reset_after);
    CHECK(slot.did<Launch>() != nullptr);
    CHECK(slot.slot.failures == 1);
  }
}

TEST_CASE("what dies before it is proven backs off from the first time", "[machine][restart]") {
  Driver slot;
  slot.start();
  for (const auto delay : {100ms, 200ms, 400ms}) {
    slot.feed(Launched{slot.current()});
    slot.die(40s);  // however long it took
    CHECK(slot.armed(Timer::backoff) == delay);
    slot.back_off();
  }
}

TEST_CASE("a spawn that fails backs off, and says why", "[machine][restart]") {
  Driver slot;
  slot.start();
  slot.feed(LaunchFailed{1, "chdir /srv/x: No such file or directory"});
  CHECK(slot.did<Bury>() == nullptr);  // there is nothing to bury
  CHECK(slot.slot.state == State::backoff);
  CHECK(slot.slot.message == "chdir /srv/x: No such file or directory");
  CHECK(slot.armed(Timer::backoff) == 100ms);
  slot.back_off();
  CHECK(slot.current() == 2);
}

TEST_CASE("an exit code of not_on ends the restarts", "[machine][restart]") {
  Driver slot;
  slot.policy.restart.not_on = {3, 78};
  slot.run();
  SECTION("that code") {
    slot.die(1s, 78);
    CHECK(slot.slot.state == State::failed);
    CHECK(slot.slot.message.find("78") != std::string::npos);
    CHECK(slot.slot.restarts == 0);
  }
  SECTION("another") {
    slot.die(1s, 4);
    CHECK(slot.did<Launch>() != nullptr);
  }
  SECTION("a signal has no code") {
    slot.die(1s, std::nullopt);
    CHECK(slot.did<Launch>() != nullptr);
  }
  SECTION("not when it was told to end: then the verb decides") {
    slot.feed(Restart{kVerb});
    slot.die(1s, 78);
    CHECK(slot.did<Launch>() != nullptr);
  }
}

TEST_CASE("restart.on failure lets a clean exit be the end", "[machine][restart]") {
  Driver slot;
  slot.policy.restart.on = RestartPolicy::On::failure;
  slot.run();
  SECTION("0") {
    slot.die(1s, 0);
    CHECK(slot.slot.state == State::failed);
  }
  SECTION("another code") {
    slot.die(1s, 1);
    CHECK(slot.did<Launch>() != nullptr);
  }
  SECTION("a signal") {
    slot.die(1s, std::nullopt);
    CHECK(slot.did<Launch>() != nullptr);
  }
  SECTION("0, but because it was ended for being unhealthy") {
    slot.feed(Unhealthy{1, "no answer", true, slot.now_ms});
    slot.die(1s, 0);
    CHECK(slot.did<Launch>() != nullptr);
    CHECK(slot.slot.restarts == 1);
  }
}

TEST_CASE("restart.on never leaves what died, however it died", "[machine][restart]") {
  Driver slot;
  slot.policy.restart.on = RestartPolicy::On::never;
  slot.run();
  SECTION("by itself") {
    slot.die(60s, std::nullopt);
  }
  SECTION("unhealthy") {
    slot.feed(Unhealthy{1, "no answer", true, slot.now_ms});
    slot.die(1s, std::nullopt);
  }
  CHECK(slot.slot.state == State::failed);
  CHECK(slot.slot.restarts == 0);
  slot.start();  // the operator may
  CHECK(slot.did<Launch>() != nullptr);
}

TEST_CASE("give_up_after counts deaths and failed spawns in a row", "[machine][restart]") {
  Driver slot;
  slot.policy.restart.give_up_after = 3;
  slot.run();
  slot.die(1s);
  slot.feed(LaunchFailed{slot.current(), "fork: Cannot allocate memory"});
  CHECK(slot.slot.state == State::backoff);
  slot.back_off();
  slot.feed(LaunchFailed{slot.current(), "fork: Cannot allocate memory"});
  CHECK(slot.slot.state == State::failed);
  CHECK(slot.slot.message.find("3 failures") != std::string::npos);
  CHECK(slot.slot.message.find("Cannot allocate") != std::string::npos);

  slot.start();  // clears the counters
  CHECK(slot.slot.failures == 0);
  CHECK(slot.did<Launch>() != nullptr);
}

TEST_CASE("by default nothing ever gives up", "[machine][restart]") {
  Driver slot;
  slot.start();
  for (int death = 0; death < 5000; ++death) {
    slot.feed(LaunchFailed{slot.current(), "no"});
    REQUIRE(slot.slot.state == State::backoff);
    slot.back_off();
  }
  CHECK(slot.slot.restarts == 5000);
}

TEST_CASE("an app that dies after any length of life never spins", "[machine][restart]") {
  const bool proven = GENERATE(true, false);
  for (const auto life : {0ms, 1ms, 100ms, 1000ms, 10'000ms, 29'999ms, 30'000ms, 31'000ms}) {
    Driver slot;
    const auto end = slot.now_ms + std::chrono::milliseconds(1h).count();
    int launches = 1;
    slot.start();
    while (slot.now_ms < end) {
      slot.feed(Launched{slot.current()});
      if (proven) slot.feed(Proven{slot.current()});
      slot.die(life);
      if (const auto delay = slot.armed(Timer::backoff)) {
        slot.now_ms += delay->count();
        slot.back_off();
      }
      ++launches;
    }
    INFO("a life of " << life.count() << " ms, proven: " << proven);
    CHECK(launches < 3600 / 30 + 15);
  }
}

TEST_CASE("what isn't proven in time is ended, and comes again", "[machine]") {
  Driver slot;
  slot.start();
  slot.feed(Launched{1}).feed(TimerFired{Timer::start});
  CHECK(slot.did<Terminate>() != nullptr);
  CHECK(slot.slot.current->ended_for->cause == Cause::start_timeout);
  slot.die(0s, std::nullopt);
  CHECK(slot.slot.state == State::backoff);
}

TEST_CASE("a failed proof ends its generation and is why", "[machine]") {
  Driver slot;
  slot.start();
  slot.feed(Launched{1}).feed(ProofFailed{1, {Cause::start_timeout, "port 3000 is nginx's"}});
  CHECK(slot.did<Terminate>() != nullptr);
  slot.feed(Stop{kVerb});  // changes what follows, not why it dies
  CHECK(slot.slot.current->ended_for->detail == "port 3000 is nginx's");
}

TEST_CASE("an unhealthy one is marked, or replaced", "[machine]") {
  Driver slot;
  slot.run();
  slot.feed(Unhealthy{1, "503", false, slot.now_ms});
  CHECK(slot.actions.empty());
  CHECK(slot.slot.state == State::unhealthy);
  CHECK(slot.slot.message == "503");
  slot.feed(Recovered{1});
  CHECK(slot.slot.state == State::online);
  CHECK(slot.slot.message.empty());
  slot.feed(Unhealthy{1, "503", true, slot.now_ms});
  CHECK(slot.did<Terminate>() != nullptr);
  slot.die(0s, 0);
  CHECK(slot.did<Launch>() != nullptr);
}

TEST_CASE("what falls ill after each restart is restarted ever later", "[machine][restart]") {
  Driver slot;
  slot.run();
  std::vector<std::optional<Milliseconds>> delays;
  for (int round = 0; round < 4; ++round) {
    const auto well_until = slot.now_ms;
    slot.now_ms += 60'000;  // it takes longer than reset_after until its probe has failed
    slot.feed(Unhealthy{slot.current(), "503", true, well_until});
    slot.die(0s, 0);
    delays.push_back(slot.armed(Timer::backoff));
    if (slot.slot.state == State::backoff) slot.back_off();
    slot.prove();
  }
  CHECK(delays == std::vector<std::optional<Milliseconds>>{std::nullopt, 100ms, 200ms, 400ms});

  SECTION("until it was well for long enough") {
    slot.now_ms += 60'000;
    slot.feed(Unhealthy{slot.current(), "503", true, slot.now_ms});
    slot.die(0s, 0);
    CHECK(slot.did<Launch>() != nullptr);
  }
  SECTION("also when it recovered in between") {
    slot.feed(Unhealthy{slot.current(), "503", false, slot.now_ms});
    slot.feed(Recovered{slot.current()});
    slot.die(60s, 1);
    CHECK(slot.did<Launch>() != nullptr);
  }
}

TEST_CASE("a port that a stranger holds after a stop is a failure", "[machine]") {
  Driver slot;
  slot.run();
  slot.feed(Stop{kVerb}).feed(LeaderDied{1, 0}).feed(PortHeld{1, "nginx listens on it"});
  CHECK(slot.did<Bury>() != nullptr);
  CHECK(slot.slot.state == State::failed);
  CHECK(slot.slot.message == "nginx listens on it");
  slot.feed(Stop{kVerb});
  CHECK(slot.slot.state == State::stopped);
}

TEST_CASE("a halted slot ends, and stays as it is", "[machine]") {
  Driver slot;
  slot.run();
  slot.feed(Halt{{Cause::shutdown, ""}});
  CHECK(slot.did<Terminate>() != nullptr);
  slot.feed(Start{}).feed(Restart{kVerb});
  slot.die(0s, 0);
  CHECK(slot.slot.state == State::stopped);
  CHECK(slot.slot.desired == Desired::up);  // the next daemon starts it again
  slot.feed(Start{});
  CHECK(slot.actions.empty());
}

TEST_CASE("what a predecessor left is taken back", "[machine]") {
  Driver slot;
  slot.slot.desired = Desired::up;
  SECTION("proven") {
    slot.feed(Adopted{41, true, 7, 2});
    CHECK(slot.actions.empty());
    CHECK(slot.slot.state == State::online);
    CHECK(slot.slot.restarts == 7);
    slot.die(1s);  // the third in a row
    CHECK(slot.armed(Timer::backoff) == 200ms);
    slot.back_off();
    CHECK(slot.current() == 42);
  }
  SECTION("not proven yet") {
    slot.feed(Adopted{41, false, 0, 0});
    CHECK(slot.did<BeginProof>() != nullptr);
    CHECK(slot.armed(Timer::start));
  }
  SECTION("in the middle of a stop") {
    slot.slot.desired = Desired::down;
    slot.feed(Adopted{41, true, 0, 0});
    CHECK(slot.did<Terminate>() != nullptr);
    slot.die(0s, 0);
    CHECK(slot.slot.state == State::stopped);
  }
}
