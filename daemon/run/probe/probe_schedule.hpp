#pragma once

#include <algorithm>
#include <chrono>

namespace dixis {

/// When a probe asks. The first time lies anywhere within the interval, so that a hundred apps
/// don't ask in step; from then on it is exact, so that N failures have their bound: what fails to
/// answer is known after N intervals and one timeout at most. Pure: the caller has the clock.
class ProbeSchedule {
 public:
  using Clock = std::chrono::steady_clock;

  /// `phase`: from 0 to below 1.
  ProbeSchedule(Clock::time_point now, std::chrono::milliseconds interval, double phase)
      : interval_(interval),
        due_(now + std::chrono::duration_cast<Clock::duration>(interval * phase)) {}

  /// How long until it is due, rounded up; 0: now.
  std::chrono::milliseconds left(Clock::time_point now) const {
    return std::max(std::chrono::milliseconds(0),
                    std::chrono::ceil<std::chrono::milliseconds>(due_ - now));
  }

  /// The answer came. What took longer than the interval is made up for by nothing.
  void answered(Clock::time_point now) { due_ = std::max(due_ + interval_, now); }

 private:
  std::chrono::milliseconds interval_;
  Clock::time_point due_;
};

}  // namespace dixis
