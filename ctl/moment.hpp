#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dixis::ctl {

/// A time as a person writes it, in milliseconds of Unix time: how long ago ("10m", "10m ago"), the
/// time of this day ("14:30", "14:30:05"), a date ("2026-01-02") or both, with a blank or a T
/// between and perhaps "Z" or "+01:00" behind, "now", "today", "yesterday", "@SECONDS". Local time
/// unless it says otherwise. nullopt for anything else.
std::optional<std::int64_t> parse_moment(std::string_view text,
                                         std::chrono::system_clock::time_point now);

/// "2026-01-02 14:30:05.678", local time: what parse_moment reads.
std::string moment_words(std::int64_t unix_ms);

}  // namespace dixis::ctl
