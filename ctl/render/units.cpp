#include "ctl/render/units.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace dixis::ctl {
namespace {

using std::chrono::milliseconds;

/// A number with one decimal, in any locale.
std::string tenth(double value) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.1f", value);
  return {text.data(), static_cast<std::size_t>(std::max(size, 0))};
}

std::string two(std::int64_t large, const char* large_unit, std::int64_t small,
                const char* small_unit) {
  std::string out = std::to_string(large) + large_unit;
  if (small > 0) out += " " + std::to_string(small) + small_unit;
  return out;
}

std::string from_a_minute(std::int64_t seconds) {
  if (seconds < 3600) return two(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86400) return two(seconds / 3600, "h", seconds % 3600 / 60, "m");
  return two(seconds / 86400, "d", seconds % 86400 / 3600, "h");
}

}  // namespace

std::string duration_words(milliseconds duration) {
  const std::int64_t count = std::max<std::int64_t>(duration.count(), 0);
  if (count < 1000) return std::to_string(count) + " ms";
  if (count >= 60'000) return from_a_minute(count / 1000);
  return count % 1000 == 0 || count >= 10'000 ? std::to_string(count / 1000) + " s"
                                              : tenth(static_cast<double>(count) / 1000) + " s";
}

std::string uptime_words(milliseconds duration) {
  const std::int64_t seconds = std::max<std::int64_t>(duration.count(), 0) / 1000;
  return seconds < 60 ? std::to_string(seconds) + "s" : from_a_minute(seconds);
}

std::string seconds_words(milliseconds duration) {
  return tenth(static_cast<double>(std::max<std::int64_t>(duration.count(), 0)) / 1000) + " s";
}

std::string size_words(std::int64_t bytes) {
  constexpr std::array kUnits{"B", "KB", "MB", "GB", "TB"};
  double value = static_cast<double>(std::max<std::int64_t>(bytes, 0));
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  // A digit after the point only where it says something.
  std::string number =
      unit > 0 && value < 9.95 ? tenth(value) : std::to_string(std::llround(value));
  return number + " " + kUnits[unit];
}

std::string percent_words(double percent) {
  return (percent < 99.95 ? tenth(percent) : std::to_string(std::llround(percent))) + "%";
}

}  // namespace dixis::ctl
