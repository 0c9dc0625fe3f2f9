#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace dixis {

/// Now, as RFC 3339 in UTC with milliseconds: "2026-01-02T03:04:05.678Z".
std::string wall_clock_now();
std::string format_wall_clock(std::chrono::system_clock::time_point time);

/// Monotonic milliseconds (CLOCK_BOOTTIME: counts suspended time, comparable with a process's
/// start).
std::int64_t boottime_ms();

/// A process's start time or CPU time in milliseconds. A start time is then on boottime_ms()'s
/// scale.
std::int64_t ticks_to_ms(std::uint64_t ticks);

/// The kernel's id of this boot (/proc/sys/kernel/random/boot_id). Empty if /proc doesn't tell.
std::string boot_id();

}  // namespace dixis
