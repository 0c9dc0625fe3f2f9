#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/model.hpp"

/// What a person sees of what the daemon answered. Pure: text in, text out.
namespace dixis::ctl {

/// Where the text goes.
struct Look {
  std::size_t width = 80;
  bool colour = false;
  std::chrono::system_clock::time_point now{};
};

/// The table of `list`.
std::string list_view(const std::vector<InstanceStatus>& instances, const Look& look);

/// The pages of `describe`.
std::string describe_view(const std::vector<Description>& descriptions, const Look& look);

/// One death, indented, as `why` and `describe` show it.
std::string death_view(const DeathRecord& record, const Look& look);

/// "now online, pid 4711, for 3h 12m".
std::string now_words(const InstanceStatus& status);

/// The page of `why`: what each slot is doing now, and its deaths, newest first.
std::string why_view(const std::vector<DeathRecord>& deaths,
                     const std::vector<InstanceStatus>& instances, const Look& look);

/// The lines of `probe`.
std::string probe_view(const std::vector<ProbeReport>& probes,
                       const std::vector<InstanceStatus>& instances, const Look& look);

/// One line of `events`.
std::string event_line(const Event& event, const Look& look);

/// "frontend: restarted, pid 4711: … (0.8 s)".
std::string outcome_line(const Outcome& outcome, bool with_instance, const Look& look);

/// "/etc/dixis/dixis.yaml:12:5: error: apps.x.health: … (did you mean …?)".
std::string problem_line(const Problem& problem, const Look& look);

/// The lines of `load --dry-run`.
std::string plan_view(const std::vector<PlanItem>& plan, const Look& look);

/// "online", …
std::string state_name(State state);

/// "frontend", or "frontend:1" where that tells instances apart.
std::string slot_name(const std::string& app, std::uint32_t instance, bool with_instance);

/// RFC 3339 in UTC; the epoch where it can't be read.
std::chrono::system_clock::time_point parse_time(const std::string& text);

}  // namespace dixis::ctl
