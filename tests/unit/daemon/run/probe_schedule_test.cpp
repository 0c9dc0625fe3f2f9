#include "daemon/run/probe/probe_schedule.hpp"

#include <random>

#include <catch2/catch.hpp>

#include "daemon/run/health_book.hpp"

using namespace dixis;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

using Time = ProbeSchedule::Clock::time_point;

/// A process that answers at once until it is frozen; then each question lasts for its timeout.
/// When its illness is known, on a clock that nobody waits for.
Time known_ill(const ProbeSpec& spec, double phase, Time frozen_at) {
  HealthBook book({spec});
  Time now{};
  ProbeSchedule schedule(now, spec.interval, phase);
  while (true) {
    now += schedule.left(now);
    ProbeReport report;
    report.good = now < frozen_at;
    now += report.good ? 1ms : spec.timeout;
    const auto change = book.note(0, report, now.time_since_epoch() / 1ms);
    if (change == HealthBook::Change::fell_ill) return now;
    schedule.answered(now);
  }
}

}  // namespace

TEST_CASE("what doesn't answer is known after N intervals and a timeout", "[health][schedule]") {
  std::mt19937 random(20260124);
  milliseconds longest{0};
  for (int world = 0; world < 10'000; ++world) {
    ProbeSpec spec;
    spec.interval = milliseconds(1 + random() % 10'000);
    spec.timeout = milliseconds(1 + random() % static_cast<unsigned>(spec.interval.count()));
    spec.failures = static_cast<std::uint32_t>(1 + random() % 5);
    const double phase = std::uniform_real_distribution<double>(0, 1)(random);
    const Time frozen = Time{} + milliseconds(random() % 50'000);
    INFO(spec.interval.count() << " ms, " << spec.timeout.count() << " ms, " << spec.failures);
    const auto took = std::chrono::ceil<milliseconds>(known_ill(spec, phase, frozen) - frozen);
    REQUIRE(took <= spec.interval * spec.failures + spec.timeout);
    longest = std::max(longest, took);
  }
  CHECK(longest > 10s);  // the worlds were no easy ones
}

TEST_CASE("probes of a hundred apps are spread over the interval", "[health][schedule]") {
  const Time begin{};
  CHECK(ProbeSchedule(begin, 10s, 0).left(begin) == 0ms);
  CHECK(ProbeSchedule(begin, 10s, 0.25).left(begin) == 2500ms);
  CHECK(ProbeSchedule(begin, 10s, 0.999).left(begin + 1s) == 8990ms);
}

TEST_CASE("what was late is not made up for", "[health][schedule]") {
  ProbeSchedule schedule(Time{}, 1s, 0);
  schedule.answered(Time{} + 300ms);
  CHECK(schedule.left(Time{} + 300ms) == 700ms);
  schedule.answered(Time{} + 5500ms);
  CHECK(schedule.left(Time{} + 5500ms) == 0ms);
  schedule.answered(Time{} + 5600ms);
  CHECK(schedule.left(Time{} + 5600ms) == 900ms);
}
