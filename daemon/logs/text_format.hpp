#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "daemon/logs/log_settings.hpp"

namespace dixis {

/// "2026-01-02T03:04:05.678Z 0 out | ": what stands before each line with `format: text`.
std::string text_prefix(std::chrono::system_clock::time_point time, std::uint32_t instance,
                        LogStream stream);

/// Puts `prefix` before each line of `bytes`, the first one only if `at_line_start`, and stops
/// before a line that would make `out` longer than `most`. Gives how many of the bytes that were.
/// Pure.
std::size_t add_prefixes(std::span<const char> bytes, std::string_view prefix, bool at_line_start,
                         std::size_t most, std::string& out);

}  // namespace dixis
