#include "daemon/model/backoff.hpp"

#include <limits>
#include <random>

#include <catch2/catch.hpp>

using namespace dixis;
using namespace std::chrono_literals;

namespace {

constexpr double kNoJitter = 0.5;  // the middle of the spread

}  // namespace

TEST_CASE("a backoff grows by its factor up to its limit", "[model][backoff]") {
  const Backoff backoff;  // 100ms, factor 2, max 30s
  CHECK(backoff_delay(backoff, 1, kNoJitter) == 100ms);
  CHECK(backoff_delay(backoff, 2, kNoJitter) == 200ms);
  CHECK(backoff_delay(backoff, 3, kNoJitter) == 400ms);
  CHECK(backoff_delay(backoff, 9, kNoJitter) == 25'600ms);
  CHECK(backoff_delay(backoff, 10, kNoJitter) == 30s);
  CHECK(backoff_delay(backoff, 11, kNoJitter) == 30s);
}

TEST_CASE("no number of failures is too many for a backoff", "[model][backoff]") {
  const auto most = std::numeric_limits<std::uint32_t>::max();
  CHECK(backoff_delay({}, 2000, kNoJitter) == 30s);
  CHECK(backoff_delay({}, most, kNoJitter) == 30s);
  CHECK(backoff_delay({.factor = 1}, most, kNoJitter) == 100ms);
  // Nothing times infinity is no number, yet it has to be a delay.
  CHECK(backoff_delay({.first = 0ms}, most, kNoJitter) == 0ms);
  CHECK(backoff_delay({}, 0, kNoJitter) == 100ms);
}

TEST_CASE("jitter spreads a delay both ways, and no further", "[model][backoff]") {
  const Backoff backoff{.first = 1000ms, .max = 60s, .jitter = 0.25};
  CHECK(backoff_delay(backoff, 1, 0.0) == 750ms);
  CHECK(backoff_delay(backoff, 1, kNoJitter) == 1000ms);
  CHECK(backoff_delay(backoff, 1, 0.999999) == 1249ms);
  CHECK(backoff_delay({.first = 1000ms, .jitter = 0}, 1, 0.0) == 1000ms);
  // Wider than the delay itself: never negative.
  CHECK(backoff_delay({.first = 1000ms, .jitter = 3}, 1, 0.0) == 0ms);
}

TEST_CASE("a backoff stays within its bounds, whatever is drawn", "[model][backoff]") {
  std::mt19937 random(20240611);
  std::uniform_real_distribution<double> fraction(0, 1);
  for (int round = 0; round < 20'000; ++round) {
    const Backoff backoff{.first = Milliseconds(1 + random() % 5000),
                          .factor = 1 + 3 * fraction(random),
                          .max = Milliseconds(5000 + random() % 60'000),
                          .jitter = fraction(random)};
    const auto failures = static_cast<std::uint32_t>(1 + random() % 40);
    const double exact = static_cast<double>(
        backoff_delay({backoff.first, backoff.factor, backoff.max, 0}, failures, kNoJitter)
            .count());
    const auto drawn =
        static_cast<double>(backoff_delay(backoff, failures, fraction(random)).count());
    const auto next =
        backoff_delay({backoff.first, backoff.factor, backoff.max, 0}, failures + 1, kNoJitter);
    const bool within = drawn >= exact * (1 - backoff.jitter) - 1 &&
                        drawn <= (exact + 1) * (1 + backoff.jitter) &&
                        exact >= static_cast<double>(backoff.first.count()) &&
                        exact <= static_cast<double>(backoff.max.count()) &&
                        static_cast<double>(next.count()) >= exact;
    if (!within) FAIL("round " << round << ": " << exact << " became " << drawn);
  }
}
