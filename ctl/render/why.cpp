// Deaths and probes in plain words.
#include <algorithm>
#include <array>
#include <ctime>

#include "ctl/render/text.hpp"
#include "ctl/render/units.hpp"
#include "ctl/render/views.hpp"

namespace dixis::ctl {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kIndent = 4;
constexpr std::size_t kShownId = 8;

std::string local_time(const std::string& at) {
  const auto moment = parse_time(at);
  if (moment == std::chrono::system_clock::time_point()) return at;
  const std::time_t seconds = std::chrono::system_clock::to_time_t(moment);
  std::tm local{};
  if (::localtime_r(&seconds, &local) == nullptr) return at;
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &local)};
}

std::string ago(const std::string& at, const Look& look) {
  const auto moment = parse_time(at);
  if (moment == std::chrono::system_clock::time_point() || moment > look.now) return "";
  const auto passed = std::chrono::duration_cast<milliseconds>(look.now - moment);
  return " (" + uptime_words(passed) + " ago)";
}

std::string short_id(const std::string& id) {
  return id.size() <= kShownId + 1 ? id : id.substr(0, kShownId) + "…";
}

/// Words in lines of at most `width` columns, each indented.
std::string wrapped(const std::string& text, std::size_t width) {
  const std::size_t room = std::max<std::size_t>(20, width) - kIndent;
  std::string out;
  std::string line;
  std::size_t at = 0;
  const auto flush = [&] {
    out += std::string(kIndent, ' ') + line + "\n";
    line.clear();
  };
  while (at < text.size()) {
    const std::size_t blank = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, blank - at);
    if (!line.empty() && display_width(line) + 1 + display_width(word) > room) flush();
    line += (line.empty() ? "" : " ") + word;
    at = blank + 1;
  }
  if (!line.empty()) flush();
  return out;
}

std::string life_words(const DeathRecord& record) {
  std::string out = "generation " + std::to_string(record.death.generation);
  if (record.build) out += ", build " + short_id(*record.build);
  if (record.death.lived_ms) {
    out += ", had lived " + duration_words(milliseconds(*record.death.lived_ms));
  }
  return out;
}

const InstanceStatus* status_of(const std::vector<InstanceStatus>& instances,
                                const DeathRecord& record) {
  const auto found = std::find_if(instances.begin(), instances.end(), [&](const auto& each) {
    return each.app == record.app && each.instance == record.instance;
  });
  return found == instances.end() ? nullptr : &*found;
}

}  // namespace

std::string now_words(const InstanceStatus& status) {
  std::string out = "now " + state_name(status.state);
  if (status.pid) out += ", pid " + std::to_string(*status.pid);
  if (status.uptime_ms) out += ", for " + uptime_words(milliseconds(*status.uptime_ms));
  if (status.retry_in_ms) {
    out += ", next attempt in " + duration_words(milliseconds(*status.retry_in_ms));
  }
  return status.message.empty() ? out : out + ": " + status.message;
}

std::string death_view(const DeathRecord& record, const Look& look) {
  const auto paragraph = [&](const std::string& text) {
    return text.empty() ? "" : wrapped(printable(text), look.width);
  };
  std::string out = "  " +
                    styled(printable(local_time(record.death.at)), Style::strong, look.colour) +
                    ago(record.death.at, look) + "\n";
  out += paragraph(life_words(record));
  out += styled(paragraph(record.death.message), Style::bad, look.colour);
  if (record.probe_answer) out += paragraph("its probe: " + *record.probe_answer);
  if (!record.last_lines.empty()) out += paragraph("its last lines:");
  for (const auto& line : record.last_lines) {
    const std::size_t room = std::max<std::size_t>(20, look.width) - kIndent - 2;
    out += std::string(kIndent, ' ') + styled("| ", Style::faint, look.colour) +
           truncated(printable(line), room) + "\n";
  }
  return out + paragraph(record.reaction);
}

std::string why_view(const std::vector<DeathRecord>& deaths,
                     const std::vector<InstanceStatus>& instances, const Look& look) {
  std::string out;
  for (const auto& status : instances) {
    const bool several = std::count_if(instances.begin(), instances.end(), [&](const auto& each) {
                           return each.app == status.app;
                         }) > 1;
    if (!out.empty()) out += "\n";
    out += styled(printable(slot_name(status.app, status.instance, several || status.instance > 0)),
                  Style::strong, look.colour) +
           ": " + printable(now_words(status)) + "\n";
    bool any = false;
    for (const auto& record : deaths) {
      if (status_of(instances, record) != &status) continue;
      out += death_view(record, look);
      any = true;
    }
    if (!any) out += "  no death of it is recorded\n";
  }
  return out;
}

std::string probe_view(const std::vector<ProbeReport>& probes,
                       const std::vector<InstanceStatus>& instances, const Look& look) {
  std::string out;
  for (const auto& status : instances) {
    const std::string name = printable(slot_name(status.app, status.instance, status.instance > 0));
    bool any = false;
    for (const auto& probe : probes) {
      if (probe.app != status.app || probe.instance != status.instance) continue;
      any = true;
      out +=
          styled(name, Style::strong, look.colour) + "  " + printable(probe.probe) + "  " +
          styled(probe.good ? "good" : "bad", probe.good ? Style::good : Style::bad, look.colour) +
          (probe.latency_ms ? "  " + duration_words(milliseconds(*probe.latency_ms)) : "") + "  " +
          printable(probe.message) + "\n";
    }
    if (!any) {
      out += styled(name, Style::strong, look.colour) +
             (status.pid ? "  it has no probe" : "  it does not run") + "\n";
    }
  }
  return out;
}

}  // namespace dixis::ctl
