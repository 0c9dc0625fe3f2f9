#include <algorithm>
#include <array>
#include <ctime>

#include "ctl/render/text.hpp"
#include "ctl/render/units.hpp"
#include "ctl/render/views.hpp"

namespace dixis::ctl {
namespace {

/// The local time of day, or the text as it came.
std::string time_of_day(const std::string& at) {
  const auto moment = parse_time(at);
  if (moment == std::chrono::system_clock::time_point()) return at;
  const std::time_t seconds = std::chrono::system_clock::to_time_t(moment);
  std::tm local{};
  if (::localtime_r(&seconds, &local) == nullptr) return at;
  std::array<char, 16> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%H:%M:%S", &local);
  return std::string(text.data(), size) + (at.size() >= 23 ? at.substr(19, 4) : "");
}

Style style_of(const Event& event) {
  if (event.type == "death" || event.type == "warning" || event.type == "stranger") {
    return Style::bad;
  }
  if (event.type == "proven") return Style::good;
  if (!event.state) return Style::plain;
  switch (*event.state) {
    case State::online:
      return Style::good;
    case State::failed:
    case State::unhealthy:
      return Style::bad;
    default:
      return Style::busy;
  }
}

std::string event_words(const Event& event) {
  if (!event.message.empty()) return event.message;
  if (event.death) return event.death->message;
  if (event.state) return state_name(*event.state);
  return event.pid ? "pid " + std::to_string(*event.pid) : "";
}

}  // namespace

std::string event_line(const Event& event, const Look& look) {
  std::string line = printable(time_of_day(event.at)) + "  ";
  if (event.app) {
    const std::uint32_t instance = event.instance.value_or(0);
    line += styled(printable(slot_name(*event.app, instance, instance > 0)), Style::strong,
                   look.colour) +
            "  ";
  }
  line += styled(printable(event.type), style_of(event), look.colour);
  const std::string words = printable(event_words(event));
  return words.empty() ? line : line + "  " + words;
}

std::string outcome_line(const Outcome& outcome, bool with_instance, const Look& look) {
  std::string message = printable_lines(outcome.message);
  if (message.empty()) message = outcome.ok ? "done" : "failed, and the daemon did not say why";
  const std::size_t first_line = std::min(message.find('\n'), message.size());
  message.insert(first_line,
                 " (" + seconds_words(std::chrono::milliseconds(outcome.elapsed_ms)) + ")");
  const std::string name = printable(slot_name(outcome.app, outcome.instance, with_instance));
  return styled(name, outcome.ok ? Style::good : Style::bad, look.colour) + ": " + message;
}

std::string problem_line(const Problem& problem, const Look& look) {
  std::string line = printable(problem.file);
  if (problem.line > 0) line += ":" + std::to_string(problem.line);
  if (problem.line > 0 && problem.column > 0) line += ":" + std::to_string(problem.column);
  line += ": ";
  line += problem.warning ? styled("warning", Style::busy, look.colour)
                          : styled("error", Style::bad, look.colour);
  line += ": ";
  if (!problem.path.empty()) line += printable(problem.path) + ": ";
  line += printable(problem.message);
  return problem.hint.empty() ? line : line + " (" + printable(problem.hint) + ")";
}

std::string plan_view(const std::vector<PlanItem>& plan, const Look& look) {
  std::string out;
  std::size_t kept = 0;
  for (const PlanItem& item : plan) {
    if (item.action == "keep") {
      ++kept;
      continue;
    }
    const Style style = item.action == "remove" ? Style::bad : Style::good;
    out += styled(padded(printable(item.action), 8), style, look.colour) + printable(item.app);
    for (std::size_t i = 0; i < item.changed.size(); ++i) {
      out += (i == 0 ? "  (" : ", ") + printable(item.changed[i]);
    }
    out += item.changed.empty() ? "\n" : ")\n";
  }
  if (out.empty()) return "nothing changes\n";
  if (kept > 0)
    out +=
        std::to_string(kept) + (kept == 1 ? " app stays as it is\n" : " apps stay as they are\n");
  return out;
}

}  // namespace dixis::ctl
