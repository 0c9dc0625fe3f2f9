// A slot that a predecessor left goes on where it was.
#include "tests/unit/daemon/model/machine_driver.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

/// The slot after the daemon's end: nothing but what it remembers.
Driver successor_of(const Driver& driver) {
  Driver out;
  out.policy = driver.policy;
  out.now_ms = driver.now_ms;
  out.slot.desired = driver.slot.desired;
  return out;
}

Adopted adoption(const Driver& driver) {
  const auto& slot = driver.slot;
  return {slot.current->generation, slot.current->proven_at_ms.has_value(), slot.restarts,
          slot.failures, slot};
}

}  // namespace

TEST_CASE("a backoff that was pending fires", "[machine][memory]") {
  Driver before;
  before.run();
  before.die(1s);
  before.prove();
  before.die(1s);
  REQUIRE(before.slot.state == State::backoff);

  Driver after = successor_of(before);
  after.feed(Resumed{before.slot, 70ms});
  CHECK(after.slot.state == State::backoff);
  CHECK(after.armed(Timer::backoff) == 70ms);
  CHECK(after.slot.restarts == before.slot.restarts);
  after.back_off();
  CHECK(after.current() == 3);
  // The counts go on as if nothing had been between.
  after.prove();
  after.die(1s);
  CHECK(after.armed(Timer::backoff) > 100ms);
}

TEST_CASE("one that was given up stays so until somebody starts it", "[machine][memory]") {
  Driver before;
  before.policy.restart.give_up_after = 1;
  before.run();
  before.die(1s);
  REQUIRE(before.slot.state == State::failed);
  Driver after = successor_of(before);
  after.feed(Resumed{before.slot, 0ms});
  CHECK(after.slot.state == State::failed);
  CHECK(after.slot.message == before.slot.message);
  CHECK_FALSE(after.slot.current);
  after.start();
  CHECK(after.current() == 2);
}

TEST_CASE("what shall be down doesn't go on", "[machine][memory]") {
  Driver before;
  before.run();
  before.die(1s);
  before.prove();
  before.die(1s);
  Driver after = successor_of(before);
  after.slot.desired = Desired::down;
  after.feed(Resumed{before.slot, 0ms});
  CHECK(after.slot.state == State::stopped);
  CHECK(after.actions.empty());
}

TEST_CASE("an unhealthy one stays unhealthy until a probe says otherwise", "[machine][memory]") {
  Driver before;
  before.run();
  before.feed(Unhealthy{1, "500", false, before.now_ms});
  Driver after = successor_of(before);
  after.feed(adoption(before));
  CHECK(after.slot.state == State::unhealthy);
  CHECK(after.slot.message == "500");
  after.feed(Recovered{1});
  CHECK(after.slot.state == State::online);
}

TEST_CASE("what was being ended is ended, for the same reason, and followed", "[machine][memory]") {
  Driver before;
  before.run();
  before.feed(Restart{{Cause::verb, "restart by root"}});
  Driver after = successor_of(before);
  after.feed(adoption(before));
  CHECK(after.slot.state == State::stopping);
  CHECK(after.did<Terminate>() != nullptr);
  CHECK(after.slot.current->ended_for->detail == "restart by root");
  after.die(1s);
  CHECK(after.current() == 2);
  CHECK(after.slot.restarts == 0);
}

TEST_CASE("a stop that was under way isn't followed", "[machine][memory]") {
  Driver before;
  before.run();
  before.feed(Restart{{Cause::verb, "restart"}});
  before.feed(Stop{{Cause::verb, "stop"}});
  Driver after = successor_of(before);
  after.feed(adoption(before));
  after.die(1s);
  CHECK(after.slot.state == State::stopped);
  CHECK_FALSE(after.slot.current);
}

TEST_CASE(
    "a proven one keeps the time of its proof, one that isn't yet what is left of its timeout",
    "[machine][memory]") {
  Driver before;
  before.run();
  const auto proven_at = before.now_ms;
  Driver after = successor_of(before);
  after.now_ms += 60'000;
  after.feed(adoption(before));
  CHECK(after.slot.current->proven_at_ms == proven_at);

  Driver young;
  young.start();
  young.feed(Launched{1});
  after = successor_of(young);
  auto adopted = adoption(young);
  adopted.age = 10s;
  after.feed(adopted);
  CHECK(after.armed(Timer::start) == after.policy.start.timeout - 10s);
  after = successor_of(young);
  adopted.age = 1h;
  after.feed(adopted);
  CHECK(after.armed(Timer::start) == kLeastProof);
}

TEST_CASE("one that died unwatched counts as a death", "[machine][memory]") {
  Driver before;
  before.run();
  SECTION("of one that had been well: restarted at once") {
    Driver after = successor_of(before);
    after.feed(Lost{1, true, before.slot});
    CHECK(after.current() == 2);
    CHECK(after.slot.restarts == 1);
  }
  SECTION("of one that dies again and again: in backoff") {
    before.die(1s);
    before.prove();
    Driver after = successor_of(before);
    after.feed(Lost{2, true, before.slot});
    CHECK(after.slot.state == State::backoff);
  }
  SECTION("of one that was being stopped: stopped") {
    before.feed(Stop{{Cause::verb, "stop"}});
    Driver after = successor_of(before);
    after.feed(Lost{1, true, before.slot});
    CHECK(after.slot.state == State::stopped);
  }
  SECTION("of one that was being restarted: nobody counts it") {
    before.feed(Restart{{Cause::verb, "restart"}});
    Driver after = successor_of(before);
    after.feed(Lost{1, true, before.slot});
    CHECK(after.current() == 2);
    CHECK(after.slot.restarts == 0);
  }
  SECTION("where nothing is known of the slot") {
    Driver after = successor_of(before);
    after.feed(Lost{7, true, std::nullopt});
    CHECK(after.current() == 8);
  }
}
