#pragma once

#include <functional>
#include <optional>
#include <string>

#include <spdlog/common.h>

#include "common/model.hpp"

namespace dixis {

/// What the daemon's own log says of an event.
struct EventLine {
  spdlog::level::level_enum level{spdlog::level::info};
  std::string text{};
};

/// nullopt: nothing that an operator would look for in the log.
std::optional<EventLine> line_of(const Event& event);

/// Where lines of events go, with what they are about.
using EventLog = std::function<void(const Event&, const EventLine&)>;

/// The text alone, to the default logger.
void log_text(const Event& event, const EventLine& line);

}  // namespace dixis
