#include "daemon/sys/clock.hpp"

#include <array>
#include <cstdio>
#include <ctime>
#include <unistd.h>

#include "daemon/sys/proc_files.hpp"

namespace dixis {

std::string wall_clock_now() {
  return format_wall_clock(std::chrono::system_clock::now());
}

std::string format_wall_clock(std::chrono::system_clock::time_point time) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
  const auto seconds = std::chrono::floor<std::chrono::seconds>(ms);
  const std::time_t epoch = seconds.count();
  std::tm utc{};
  gmtime_r(&epoch, &utc);
  std::array<char, 96> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                    utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                    utc.tm_sec, static_cast<int>((ms - seconds).count()));
  return {text.data(), static_cast<std::size_t>(length)};
}

std::int64_t boottime_ms() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

std::int64_t ticks_to_ms(std::uint64_t ticks) {
  const auto per_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  return static_cast<std::int64_t>(ticks * 1000 / per_second);
}

std::string boot_id() {
  std::array<char, 128> buffer{};
  auto text = proc::read_small("/proc/sys/kernel/random/boot_id", buffer);
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return std::string(text);
}

}  // namespace dixis
