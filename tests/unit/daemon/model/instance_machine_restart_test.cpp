// What follows a death: at once, later, or never.
#include "machine_driver.hpp"

using namespace dixis;
using namespace dixis::machine;
using namespace std::chrono_literals;
using dixis::test::Driver;

namespace {

const Reason kVerb{Cause::verb, "a test"};

}  // namespace

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
