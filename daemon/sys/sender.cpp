#include "daemon/sys/sender.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <unistd.h>

#include "daemon/sys/clock.hpp"
#include "daemon/sys/proc_files.hpp"

namespace dixis {
namespace {

constexpr std::size_t kMostParents = 8;
/// A start time counts in clock ticks.
constexpr std::int64_t kTickMs = 10;

std::string_view field(std::string_view text, std::string_view name) {
  const auto at = text.starts_with(name) ? 0 : text.find("\n" + std::string(name));
  if (at == std::string_view::npos) return {};
  auto value = text.substr(text.find('\t', at) + 1);
  return value.substr(0, value.find_first_of("\t\n"));
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::string> executable_of(pid_t pid) {
  const std::string link = "/proc/" + std::to_string(pid) + "/exe";
  std::array<char, 4096> target{};
  const auto length = ::readlink(link.c_str(), target.data(), target.size());
  if (length <= 0) return std::nullopt;
  return std::string(target.data(), static_cast<std::size_t>(length));
}

}  // namespace

std::optional<TaskStatus> parse_task_status(std::string_view text) {
  const auto process = number(field(text, "Tgid:"));
  const auto parent = number(field(text, "PPid:"));
  const auto uid = number(field(text, "Uid:"));
  if (!process || !parent || !uid) return std::nullopt;
  return TaskStatus{std::string(field(text, "Name:")), static_cast<pid_t>(*process),
                    static_cast<pid_t>(*parent), *uid};
}

std::optional<TaskStatus> read_task_status(pid_t task) {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/status", task);
  std::array<char, 4096> buffer{};
  return parse_task_status(proc::read_small(path.data(), buffer));
}

std::optional<Sender> find_sender(pid_t task, std::int64_t at_ms) {
  auto status = read_task_status(task);
  if (status && status->process != task) status = read_task_status(status->process);
  if (!status) return std::nullopt;
  const auto facts = proc::read_stat(status->process);
  if (!facts || ticks_to_ms(facts->start_ticks) > at_ms + kTickMs) return std::nullopt;
  Sender out;
  out.pid = status->process;
  out.comm = status->name;
  out.uid = status->uid;
  out.exe = executable_of(status->process);
  while (status->parent > 0 && out.parents.size() < kMostParents) {
    const pid_t parent = status->parent;
    status = read_task_status(parent);
    if (!status) break;
    out.parents.push_back({parent, status->name});
  }
  return out;
}

pid_t session_of(pid_t task) {
  const auto facts = proc::read_stat(task);
  return facts ? facts->session : 0;
}

}  // namespace dixis
