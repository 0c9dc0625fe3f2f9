#include "daemon/run/event_log.hpp"

#include <spdlog/spdlog.h>

namespace dixis {

namespace {

namespace level = spdlog::level;

std::string label(const Event& event) {
  if (!event.app) return "";
  const auto instance = event.instance.value_or(0);
  return *event.app + (instance > 0 ? ":" + std::to_string(instance) : "") + ": ";
}

/// Whether somebody wanted this end.
bool asked_for(const Death& death) {
  return death.cause == Cause::verb || death.cause == Cause::config ||
         death.cause == Cause::shutdown;
}

std::optional<EventLine> line_of_state(const Event& event) {
  const auto text = [&](const std::string& what) { return label(event) + what; };
  if (event.state == State::failed) return EventLine{level::err, text("failed: " + event.message)};
  if (event.state == State::unhealthy) {
    return EventLine{level::warn, text("unhealthy: " + event.message)};
  }
  if (event.state == State::stopped) return EventLine{level::info, text("stopped")};
  return std::nullopt;
}

}  // namespace

std::optional<EventLine> line_of(const Event& event) {
  const auto text = [&](const std::string& what) { return label(event) + what; };
  if (event.type == "state") return line_of_state(event);
  if (event.type == "verb" || event.type == "config") {
    return EventLine{level::info, text(event.message)};
  }
  if (event.type == "spawned") {
    const auto number = std::to_string(event.generation.value_or(0));
    return EventLine{level::info, text("started as generation " + number + ", " + event.message)};
  }
  if (event.type == "proven") return EventLine{level::info, text("proven, " + event.message)};
  if (event.type == "death") {
    const bool wanted = event.death && asked_for(*event.death);
    return EventLine{wanted ? level::info : level::warn, text(event.message)};
  }
  for (const auto* const type : {"warning", "stranger", "predecessor"}) {
    if (event.type == type) return EventLine{level::warn, text(event.message)};
  }
  return std::nullopt;
}

void log_text(const Event& /*event*/, const EventLine& line) {
  spdlog::log(line.level, "{}", line.text);
}

}  // namespace dixis
