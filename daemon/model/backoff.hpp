#pragma once

#include <cstdint>

#include "daemon/model/spec.hpp"

namespace dixis {

/// The delay before the attempt that follows `failures` failures in a row (from 1): first ×
/// factor^(failures-1), at most max, spread by ±jitter. `random` is in [0, 1).
Milliseconds backoff_delay(const Backoff& backoff, std::uint32_t failures, double random);

}  // namespace dixis
