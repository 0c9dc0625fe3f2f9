#include "ctl/moment.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "ctl/arguments.hpp"

namespace dixis::ctl {
namespace {

using std::string_view;

/// Takes a number of so many digits from the front.
std::optional<int> take_digits(string_view& text, std::size_t digits) {
  int value = 0;
  if (text.size() < digits) return std::nullopt;
  const char* end = text.data() + digits;
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || text.front() == '-') return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

bool take(string_view& text, char letter) {
  if (!text.starts_with(letter)) return false;
  text.remove_prefix(1);
  return true;
}

std::tm local_day(std::time_t at) {
  std::tm day{};
  ::localtime_r(&at, &day);
  day.tm_hour = day.tm_min = day.tm_sec = 0;
  return day;
}

bool take_date(string_view& text, std::tm& out) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return false;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return false;
  const auto day = take_digits(text, 2);
  if (!day || *month < 1 || *month > 12 || *day < 1 || *day > 31) return false;
  out.tm_year = *year - 1900;
  out.tm_mon = *month - 1;
  out.tm_mday = *day;
  return true;
}

/// HH:MM[:SS[.mmm]]
bool take_time(string_view& text, std::tm& out, int& milliseconds) {
  const auto hour = take_digits(text, 2);
  if (!hour || !take(text, ':')) return false;
  const auto minute = take_digits(text, 2);
  if (!minute || *hour > 23 || *minute > 59) return false;
  out.tm_hour = *hour;
  out.tm_min = *minute;
  if (!take(text, ':')) return true;
  const auto second = take_digits(text, 2);
  if (!second || *second > 60) return false;
  out.tm_sec = *second;
  if (!take(text, '.')) return true;
  int scale = 100;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; scale /= 10) {
    milliseconds += scale * (text.front() - '0');
    text.remove_prefix(1);
  }
  return scale < 100;
}

/// "Z", "+01:00", "+0100": seconds east of UTC.
std::optional<int> take_zone(string_view& text) {
  if (take(text, 'Z')) return 0;
  const bool west = text.starts_with('-');
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  take(text, ':');
  const auto minutes = take_digits(text, 2);
  if (!hours || !minutes) return std::nullopt;
  const int east = *hours * 3600 + *minutes * 60;
  return west ? -east : east;
}

std::optional<std::int64_t> calendar_moment(string_view text, std::time_t now) {
  std::tm fields = local_day(now);
  int milliseconds = 0;
  const bool dated = text.size() > 2 && text[2] != ':';
  if (dated && !take_date(text, fields)) return std::nullopt;
  const bool timed = !dated || take(text, 'T') || take(text, ' ');
  if (timed && !take_time(text, fields, milliseconds)) return std::nullopt;
  fields.tm_isdst = -1;
  std::time_t seconds = 0;
  if (text.empty()) {
    seconds = ::mktime(&fields);
  } else {
    const auto zone = take_zone(text);
    if (!zone || !text.empty() || !dated) return std::nullopt;
    seconds = ::timegm(&fields) - *zone;
  }
  return static_cast<std::int64_t>(seconds) * 1000 + milliseconds;
}

std::int64_t start_of_day(std::time_t now, int days_ago) {
  std::tm day = local_day(now);
  day.tm_mday -= days_ago;
  day.tm_isdst = -1;
  return static_cast<std::int64_t>(::mktime(&day)) * 1000;
}

}  // namespace

std::optional<std::int64_t> parse_moment(string_view text,
                                         std::chrono::system_clock::time_point now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto now_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  if (text == "now") return now_ms;
  if (text == "today") return start_of_day(seconds, 0);
  if (text == "yesterday") return start_of_day(seconds, 1);
  if (text.starts_with('@')) {
    std::int64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + 1, end, value);
    if (error != std::errc() || stop != end || value < 0 || value > 253'402'300'799) {
      return std::nullopt;
    }
    return value * 1000;
  }
  const bool said = text.ends_with(" ago");
  if (const auto ago = parse_duration(said ? text.substr(0, text.size() - 4) : text)) {
    return now_ms - ago->count();
  }
  const auto moment = said ? std::nullopt : calendar_moment(text, seconds);
  return moment && *moment >= 0 ? moment : std::nullopt;
}

std::string moment_words(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm local{};
  if (::localtime_r(&seconds, &local) == nullptr) return "";
  std::array<char, 32> date{};
  const std::size_t size = std::strftime(date.data(), date.size(), "%Y-%m-%d %H:%M:%S", &local);
  std::array<char, 8> rest{};
  (void)std::snprintf(rest.data(), rest.size(), ".%03d", static_cast<int>(unix_ms % 1000));
  return std::string(date.data(), size) + rest.data();
}

}  // namespace dixis::ctl
