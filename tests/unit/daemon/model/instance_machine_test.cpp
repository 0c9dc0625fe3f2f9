// The life of a slot: verbs, stops, proofs, adoption.
#include "machine_driver.hpp"

using namespace dixis;
using namespace dixis::machine;
using namespace std::chrono_literals;
using dixis::test::Driver;

namespace {

const Reason kVerb{Cause::verb, "a test"};

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
