#include <algorithm>

#include "ctl/render/text.hpp"
#include "ctl/render/units.hpp"
#include "ctl/render/views.hpp"

namespace dixis::ctl {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kKeyWidth = 14;

/// Lines of "key  value"; a key without a value is left out.
class Page {
 public:
  explicit Page(const Look& look) : look_(look) {}

  void title(const std::string& text) {
    out_ += styled(printable(text), Style::strong, look_.colour) + "\n";
  }

  void line(const std::string& key, const std::string& value, Style style = Style::plain) {
    if (value.empty()) return;
    out_ += "  " + styled(padded(key, kKeyWidth), Style::faint, look_.colour) +
            styled(printable(value), style, look_.colour) + "\n";
  }

  void lines(const std::string& key, const std::vector<std::string>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) line(i == 0 ? key : "", values[i]);
  }

  std::string text() && { return std::move(out_); }

 private:
  const Look& look_;
  std::string out_;
};

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

/// A command as one could type it: words that a shell would change are quoted.
std::string command_line(const std::vector<std::string>& words) {
  std::vector<std::string> quoted;
  for (const std::string& word : words) {
    const bool plain = !word.empty() && word.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                            "0123456789@%+=:,./_-") == std::string::npos;
    if (plain) {
      quoted.push_back(word);
      continue;
    }
    std::string text = "'";
    for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    quoted.push_back(text + "'");
  }
  return joined(quoted, " ");
}

std::string process_words(const InstanceStatus& status) {
  if (!status.pid) return "";
  std::string words = "pid " + std::to_string(*status.pid);
  if (status.generation) words += ", generation " + std::to_string(*status.generation);
  if (status.uptime_ms) words += ", up " + uptime_words(milliseconds(*status.uptime_ms));
  return words;
}

std::string state_words(const InstanceStatus& status) {
  std::string words = state_name(status.state);
  if (status.desired == Desired::down && status.state != State::stopped) {
    words += " (shall be down)";
  }
  if (status.desired == Desired::up && status.state == State::stopped) words += " (shall be up)";
  if (status.retry_in_ms) {
    words += ", next attempt in " + duration_words(milliseconds(*status.retry_in_ms));
  }
  return words;
}

Style state_style(State state) {
  if (state == State::online) return Style::good;
  if (state == State::failed || state == State::unhealthy) return Style::bad;
  return state == State::stopped ? Style::plain : Style::busy;
}

std::string health_words(const Health& health) {
  std::string words = health.status;
  if (health.latency_ms)
    words += ", answered in " + duration_words(milliseconds(*health.latency_ms));
  if (health.checked_ms_ago) {
    words += ", " + duration_words(milliseconds(*health.checked_ms_ago)) + " ago";
  }
  return health.message.empty() ? words : words + ": " + health.message;
}

std::string build_words(const Build& build) {
  std::string words = build.running.value_or("unknown");
  if (build.stale) words += ", stale: on disk is " + build.on_disk.value_or("none");
  return build.problem ? words + "; " + *build.problem : words;
}

std::string usage_words(const Description& description) {
  const InstanceStatus& status = description.status;
  if (!status.memory_bytes) return "";
  return size_words(*status.memory_bytes) +
         (description.memory_source.empty() ? "" : " (" + description.memory_source + ")");
}

std::string cpu_words(const InstanceStatus& status) {
  if (!status.cpu_percent) return "";
  std::string words = percent_words(*status.cpu_percent) + " of one core";
  if (status.cpu_window_ms) {
    words += ", mean of the last " + duration_words(milliseconds(*status.cpu_window_ms));
  }
  return words;
}

void add_tree(Page& page, const Description& description) {
  std::vector<std::string> lines;
  // Parents come before children as the daemon lists them; depth is found by following them.
  for (const TreeProcess& process : description.tree) {
    std::size_t depth = 0;
    std::int64_t parent = process.parent;
    for (std::size_t guard = 0; guard < description.tree.size(); ++guard) {
      const auto found =
          std::find_if(description.tree.begin(), description.tree.end(),
                       [&](const TreeProcess& other) { return other.pid == parent; });
      if (found == description.tree.end()) break;
      ++depth;
      parent = found->parent;
    }
    const std::string indent(2 * std::min<std::size_t>(depth, 16), ' ');
    std::string line =
        indent + std::to_string(process.pid) + "  " + size_words(process.memory_bytes);
    if (process.cpu_percent) line += "  " + percent_words(*process.cpu_percent);
    if (process.user) line += "  " + *process.user;
    line += "  " + process.command;
    if (process.exe && !process.command.starts_with(*process.exe))
      line += "  [" + *process.exe + "]";
    lines.push_back(line);
    if (process.stranger) lines.push_back(indent + "  STRANGER: " + *process.stranger);
  }
  page.lines("processes", lines);
}

void add_last_start(Page& page, const Description& description) {
  std::vector<std::string> steps;
  for (const TimelineStep& step : description.timeline) {
    steps.push_back(step.step + " " + duration_words(milliseconds(step.duration_ms)));
  }
  page.line("last start", joined(steps, ", "));
}

void add_health_history(Page& page, const Description& description) {
  std::vector<std::string> lines;
  for (const ProbeReport& report : description.health_history) {
    std::string line = report.at + "  " + (report.good ? "good" : "bad ") + "  " + report.probe;
    if (report.latency_ms) line += "  " + duration_words(milliseconds(*report.latency_ms));
    lines.push_back(line + "  " + report.message);
  }
  page.lines("probes", lines);
}

void add_last_death(Page& page, const InstanceStatus& status, const Look& look) {
  if (!status.last_death) return;
  const Death& death = *status.last_death;
  std::string words = death.message;
  const auto at = parse_time(death.at);
  if (at != std::chrono::system_clock::time_point() && at <= look.now) {
    words += ", " + uptime_words(std::chrono::duration_cast<milliseconds>(look.now - at)) + " ago";
  }
  page.line("last death", words);
  page.line("", "at " + death.at +
                    (death.lived_ms ? ", had lived " + duration_words(milliseconds(*death.lived_ms))
                                    : ""));
}

std::string page_of(const Description& description, bool with_instance, const Look& look) {
  const InstanceStatus& status = description.status;
  Page page(look);
  page.title(slot_name(status.app, status.instance, with_instance));
  page.line("state", state_words(status), state_style(status.state));
  page.line("", status.message);
  page.line("process", process_words(status));
  for (const OtherGeneration& other : status.also) {
    page.line("", "pid " + std::to_string(other.pid) + ", generation " +
                      std::to_string(other.generation) + ": " + other.phase);
  }
  page.line("restarts", std::to_string(status.restarts) + " that nobody asked for");
  page.line("cpu", cpu_words(status));
  page.line("memory", usage_words(description));
  page.lines("limits", description.limits);
  page.line("cgroup", description.cgroup.value_or(""));
  page.line("port", status.port ? std::to_string(*status.port) : "");
  page.lines("listeners", description.listeners);
  page.line("health", status.health ? health_words(*status.health) : "");
  page.line("build", status.build ? build_words(*status.build) : "");
  page.line("command", command_line(description.command));
  if (description.resolved_command != description.command) {
    page.line("executed", command_line(description.resolved_command));
  }
  page.line("directory", description.cwd);
  page.line("user", description.user.value_or(""));
  page.line("environment", joined(description.environment, " "));
  page.line("after", joined(description.after, ", "));
  page.line("tags", joined(description.tags, ", "));
  page.line("output", description.out_log);
  page.line("errors", description.err_log);
  page.line("defined at", description.defined_at);
  add_tree(page, description);
  add_last_start(page, description);
  add_health_history(page, description);
  if (!description.death) {
    add_last_death(page, status, look);
    return std::move(page).text();
  }
  page.line("last death", " ");
  return std::move(page).text() + death_view(*description.death, look);
}

}  // namespace

std::string describe_view(const std::vector<Description>& descriptions, const Look& look) {
  std::string out;
  for (const Description& description : descriptions) {
    const auto same_app = std::count_if(
        descriptions.begin(), descriptions.end(),
        [&](const Description& other) { return other.status.app == description.status.app; });
    if (!out.empty()) out += "\n";
    out += page_of(description, same_app > 1 || description.status.instance > 0, look);
  }
  return out;
}

}  // namespace dixis::ctl
