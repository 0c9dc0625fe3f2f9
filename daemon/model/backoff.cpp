#include "daemon/model/backoff.hpp"

#include <algorithm>
#include <cmath>

namespace dixis {

Milliseconds backoff_delay(const Backoff& backoff, std::uint32_t failures, double random) {
  const double first = static_cast<double>(backoff.first.count());
  const double limit = static_cast<double>(backoff.max.count());
  // pow may overflow to infinity: min makes it the limit all the same.
  const double exponent = failures == 0 ? 0.0 : static_cast<double>(failures - 1);
  const double delay = std::min(first * std::pow(backoff.factor, exponent), limit);
  const double spread = delay * backoff.jitter * (2 * random - 1);
  return Milliseconds(static_cast<std::int64_t>(std::max(0.0, delay + spread)));
}

}  // namespace dixis
