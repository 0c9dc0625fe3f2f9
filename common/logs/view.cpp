#include "common/logs/view.hpp"

#include <array>
#include <cstdio>
#include <ctime>

#include "common/utf8.hpp"

namespace dixis {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    if (static_cast<unsigned char>(text.front()) < 0x80U) {
      text.remove_prefix(1);
      continue;
    }
    const CodePoint point = first_code_point(text);
    if (!point.valid) return false;
    text.remove_prefix(point.bytes);
  }
  return true;
}

LogLines view_of(const logs::Lines& lines) {
  LogLines out;
  out.source = lines.log;
  if (const auto& record = lines.record) {
    out.at_ms = static_cast<std::int64_t>(record->time_ms);
    out.from_dixis = record->origin == LogOrigin::dixis;
    // Generations begin at 1.
    if (record->generation != 0) {
      out.instance = record->instance;
      out.generation = record->generation;
    }
  }
  if (is_utf8(lines.bytes)) {
    out.text = lines.bytes;
  } else {
    out.base64 = to_base64(lines.bytes);
  }
  return out;
}

}  // namespace

LogsReply view_of(const logs::Chunk& chunk, const std::vector<ShownLog>& sources) {
  LogsReply out;
  if (!chunk.lines.empty()) {
    auto& lines = out.lines.emplace();
    for (const auto& each : chunk.lines) lines.push_back(view_of(each));
  }
  if (!chunk.positions.empty()) {
    auto& positions = out.positions.emplace();
    for (const auto& [log, position] : chunk.positions) {
      positions.push_back({sources[log].file, logs::position_text(position)});
    }
  }
  if (!chunk.notes.empty()) {
    auto& notes = out.notes.emplace();
    for (const auto& note : chunk.notes) notes.push_back({note.log, note.text});
  }
  return out;
}

std::optional<std::string> bytes_of(const LogLines& lines) {
  return lines.text ? lines.text : from_base64(lines.base64.value_or(""));
}

std::string to_base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto byte = at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U;
      group = (group << 8U) | byte;
    }
    const std::size_t digits = std::min<std::size_t>(bytes.size() - at, 3) + 1;
    for (std::size_t i = 0; i < 4; ++i) {
      out += i < digits ? kDigits[(group >> (18 - 6 * i)) & 63U] : '=';
    }
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int count = 0;
  for (const char digit : text) {
    const std::size_t value = kDigits.find(digit);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>((bits >> static_cast<unsigned>(count)) & 0xFFU);
  }
  return out;
}

std::string utc_time(std::int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  if (::gmtime_r(&seconds, &utc) == nullptr) return "";
  std::array<char, 32> date{};
  const std::size_t size = std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 8> rest{};
  (void)std::snprintf(rest.data(), rest.size(), ".%03dZ", static_cast<int>(unix_ms % 1000));
  return std::string(date.data(), size) + rest.data();
}

}  // namespace dixis
