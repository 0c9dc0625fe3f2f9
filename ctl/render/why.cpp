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

/// A paragraph below a headline; nothing for nothing.
std::string paragraph(const std::string& text, const Look& look) {
  std::string out;
  if (text.empty()) return out;
  for (const auto& line : wrapped(printable(text), look.width - std::min(look.width, kIndent))) {
    out += std::string(kIndent, ' ') + line + "\n";
  }
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

/// One probe's answer; what doesn't fit beside goes below.
std::string probe_line(const std::string& name, const ProbeReport& probe, const Look& look) {
  const std::string shown = "  " + printable(probe.probe) + "  ";
  const std::string verdict = probe.good ? "good" : "bad";
  const std::string latency =
      probe.latency_ms ? "  " + duration_words(milliseconds(*probe.latency_ms)) : "";
  const std::string message = printable(probe.message);
  const std::size_t used = display_width(name + shown + verdict + latency + "  " + message);
  return styled(name, Style::strong, look.colour) + shown +
         styled(verdict, probe.good ? Style::good : Style::bad, look.colour) + latency +
         (used <= look.width ? "  " + message + "\n" : "\n" + paragraph(probe.message, look));
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
  std::string out = "  " +
                    styled(printable(local_time(record.death.at)), Style::strong, look.colour) +
                    ago(record.death.at, look) + "\n";
  out += paragraph(life_words(record), look);
  out += styled(paragraph(record.death.message, look), Style::bad, look.colour);
  if (record.probe_answer) out += paragraph("its probe: " + *record.probe_answer, look);
  if (!record.last_lines.empty()) out += paragraph("its last lines:", look);
  for (const auto& line : record.last_lines) {
    const std::size_t room = std::max<std::size_t>(20, look.width) - kIndent - 2;
    out += std::string(kIndent, ' ') + styled("| ", Style::faint, look.colour) +
           truncated(printable(without_tabs(line)), room) + "\n";
  }
  return out + paragraph(record.reaction, look);
}

std::string why_view(const std::vector<DeathRecord>& deaths,
                     const std::vector<InstanceStatus>& instances, const Look& look) {
  std::string out;
  for (const auto& status : instances) {
    const bool several = std::count_if(instances.begin(), instances.end(), [&](const auto& each) {
                           return each.app == status.app;
                         }) > 1;
    if (!out.empty()) out += "\n";
    const auto name =
        printable(slot_name(status.app, status.instance, several || status.instance > 0));
    std::string now;
    for (const auto& line : wrapped(name + ": " + printable(now_words(status)), look.width)) {
      now += line + "\n";
    }
    out += styled(name, Style::strong, look.colour) + now.substr(std::min(name.size(), now.size()));
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
      out += probe_line(name, probe, look);
    }
    if (!any) {
      out += styled(name, Style::strong, look.colour) + "\n" +
             paragraph(status.pid ? "it has no probe: `health:` in its configuration adds one"
                                  : "there is nothing to probe: it is " + state_name(status.state),
                       look);
    }
  }
  return out;
}

}  // namespace dixis::ctl
