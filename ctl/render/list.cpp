#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <map>

#include "ctl/render/table.hpp"
#include "ctl/render/units.hpp"
#include "ctl/render/views.hpp"

namespace dixis::ctl {
namespace {

using std::chrono::milliseconds;

const std::vector<Column>& list_columns() {
  static const std::vector<Column> columns{
      {"app", false, 0, 20},    {"state", false, 0, 0},       {"pid", true, 1, 0},
      {"restarts", true, 2, 0}, {"uptime", true, 4, 0},       {"cpu", true, 5, 0},
      {"memory", true, 3, 0},   {"port", true, 6, 0},         {"health", false, 7, 0},
      {"build", false, 8, 0},   {"last death", false, 9, 36}, {"message", false, 0, 26},
  };
  return columns;
}

Style style_of(State state) {
  switch (state) {
    case State::online:
      return Style::good;
    case State::unhealthy:
    case State::failed:
      return Style::bad;
    case State::stopped:
      return Style::faint;
    default:
      return Style::busy;
  }
}

template <class T>
std::string number(const std::optional<T>& value) {
  return value ? std::to_string(*value) : std::string();
}

std::string health_words(const InstanceStatus& instance) {
  if (!instance.health) return "";
  std::string words = instance.health->status;
  if (instance.health->latency_ms) {
    words += " " + duration_words(milliseconds(*instance.health->latency_ms));
  }
  return printable(words);
}

std::string build_words(const InstanceStatus& instance) {
  if (!instance.build) return "";
  const std::string id = printable(instance.build->running.value_or("unknown"));
  return truncated(id, 9) + (instance.build->stale ? " (stale)" : "");
}

std::string death_words(const InstanceStatus& instance, const Look& look) {
  if (!instance.last_death) return "";
  const auto at = parse_time(instance.last_death->at);
  std::string words;
  if (at != std::chrono::system_clock::time_point() && at <= look.now) {
    words = uptime_words(std::chrono::duration_cast<milliseconds>(look.now - at)) + " ago: ";
  }
  return words + printable(instance.last_death->message);
}

/// What needs saying of a row, the most pressing first.
std::string message_words(const InstanceStatus& instance) {
  std::vector<std::string> parts;
  if (!instance.message.empty()) {
    parts.push_back(instance.message);
  } else if (instance.last_death &&
             (instance.state == State::backoff || instance.state == State::failed)) {
    parts.push_back(instance.last_death->message);
  } else if (instance.health && instance.state == State::unhealthy) {
    parts.push_back(instance.health->message);
  }
  if (instance.retry_in_ms && instance.message.find("next") == std::string::npos &&
      instance.message.find("retry") == std::string::npos) {
    parts.push_back("next attempt in " + duration_words(milliseconds(*instance.retry_in_ms)));
  }
  if (instance.build && instance.build->problem) {
    parts.push_back(*instance.build->problem);
  } else if (instance.build && instance.build->stale) {
    parts.push_back("stale: build " + truncated(instance.build->running.value_or("unknown"), 9) +
                    " runs, " + truncated(instance.build->on_disk.value_or("unknown"), 9) +
                    " is on disk");
  }
  for (const OtherGeneration& other : instance.also) {
    parts.push_back("pid " + std::to_string(other.pid) + " is " + other.phase);
  }
  std::string words;
  for (const std::string& part : parts) {
    if (!part.empty()) words += (words.empty() ? "" : "; ") + part;
  }
  return printable(words);
}

std::vector<Cell> row_of(const InstanceStatus& instance, bool with_instance, const Look& look) {
  const Style state = style_of(instance.state);
  const bool healthy = instance.health && instance.health->status == "healthy";
  return {
      {printable(slot_name(instance.app, instance.instance, with_instance)), Style::strong},
      {state_name(instance.state), state},
      {number(instance.pid)},
      {std::to_string(instance.restarts), instance.restarts > 0 ? Style::busy : Style::plain},
      {instance.uptime_ms ? uptime_words(milliseconds(*instance.uptime_ms)) : ""},
      {instance.cpu_percent ? percent_words(*instance.cpu_percent) : ""},
      {instance.memory_bytes ? size_words(*instance.memory_bytes) : ""},
      {number(instance.port)},
      {health_words(instance), healthy ? Style::plain : Style::busy},
      {build_words(instance), instance.build && instance.build->stale ? Style::busy : Style::plain},
      {death_words(instance, look)},
      {message_words(instance), state == Style::bad ? Style::bad : Style::plain},
  };
}

/// The width that a table needs.
std::size_t width_of(const std::string& text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    width = std::max(width, display_width(std::string_view(text).substr(at, end - at)));
    at = end + 1;
  }
  return width;
}

/// Messages stand in a column of their own where it leaves room for all others; else each in a line
/// below its row.
std::string with_messages(std::vector<std::vector<Cell>> rows, const Look& look) {
  constexpr std::size_t kUnlimited = 10'000;
  constexpr std::size_t kReadable = 40;
  auto shortened = rows;
  for (auto& row : shortened) {
    for (auto& cell : row) cell.text = truncated(cell.text, kReadable);
  }
  if (width_of(table(list_columns(), shortened, kUnlimited, false)) <= look.width) {
    return table(list_columns(), rows, look.width, look.colour);
  }
  std::vector<Cell> messages;
  for (auto& row : rows) messages.push_back(std::exchange(row.back(), Cell{}));
  const std::string lines = table(list_columns(), rows, look.width, look.colour);
  std::string out;
  std::size_t at = 0;
  for (std::size_t line = 0; at < lines.size(); ++line) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size() - 1);
    out += lines.substr(at, end + 1 - at);
    at = end + 1;
    if (line == 0 || line > messages.size() || messages[line - 1].text.empty()) continue;
    const auto& message = messages[line - 1];
    const std::size_t room = std::max<std::size_t>(20, look.width) - 2;
    out += "  " + styled(truncated(message.text, room), message.style, look.colour) + "\n";
  }
  return out;
}

}  // namespace

std::string state_name(State state) {
  return boost::describe::enum_to_string(state, "unknown");
}

std::string slot_name(const std::string& app, std::uint32_t instance, bool with_instance) {
  return with_instance ? app + ":" + std::to_string(instance) : app;
}

std::chrono::system_clock::time_point parse_time(const std::string& text) {
  std::tm fields{};
  int milliseconds_part = 0;
  const int read = std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &fields.tm_year,
                               &fields.tm_mon, &fields.tm_mday, &fields.tm_hour, &fields.tm_min,
                               &fields.tm_sec, &milliseconds_part);
  if (read < 6) return {};
  fields.tm_year -= 1900;
  fields.tm_mon -= 1;
  return std::chrono::system_clock::from_time_t(::timegm(&fields)) +
         milliseconds(milliseconds_part);
}

std::string list_view(const std::vector<InstanceStatus>& instances, const Look& look) {
  if (instances.empty()) {
    return "no apps are configured: `dixisctl add NAME -- COMMAND` adds one\n";
  }
  std::map<std::string, int> slots;
  for (const InstanceStatus& instance : instances) ++slots[instance.app];
  std::vector<std::vector<Cell>> rows;
  rows.reserve(instances.size());
  for (const InstanceStatus& instance : instances) {
    // Asked for with NAME:N, a single row may be the second of its app.
    const bool several = slots[instance.app] > 1 || instance.instance > 0;
    rows.push_back(row_of(instance, several, look));
  }
  return with_messages(rows, look);
}

}  // namespace dixis::ctl
