#include "daemon/sys/process_table.hpp"

#include <array>
#include <cstdio>
#include <functional>
#include <memory>
#include <string_view>
#include <unistd.h>
#include <unordered_map>

#include "daemon/sys/proc_files.hpp"

namespace dixis {
namespace {

constexpr std::size_t kMaxEnvironment = 128U << 10U;
constexpr std::string_view kMark = "DIXIS_TREE=";

std::string find_mark(std::string_view environment) {
  while (!environment.empty()) {
    const auto end = environment.find('\0');
    const auto variable = environment.substr(0, end);
    if (variable.starts_with(kMark)) return std::string(variable.substr(kMark.size()));
    if (end == std::string_view::npos) break;
    environment.remove_prefix(end + 1);
  }
  return {};
}

/// Reads marks with one buffer for as many processes as are asked for.
class MarkReader {
 public:
  std::string read(pid_t pid) {
    std::array<char, 32> path{};
    std::snprintf(path.data(), path.size(), "/proc/%d/environ", pid);
    return find_mark(proc::read_small(path.data(), {buffer_.get(), kMaxEnvironment}));
  }

 private:
  std::unique_ptr<char[]> buffer_{new char[kMaxEnvironment]};
};

bool is_dead(const ProcessFacts& facts) {
  return facts.state == 'Z' || facts.state == 'X';
}

/// The indices of `table` that a walk from `members` over children reaches, `members` included.
/// What `refuse` names is neither taken nor walked through.
std::vector<bool> close_over_children(const std::vector<ProcessFacts>& table,
                                      std::vector<bool> members, pid_t refuse) {
  std::unordered_multimap<pid_t, std::size_t> by_parent;
  by_parent.reserve(table.size());
  std::vector<std::size_t> frontier;
  for (std::size_t i = 0; i < table.size(); ++i) {
    by_parent.emplace(table[i].parent, i);
    if (members[i]) frontier.push_back(i);
  }
  while (!frontier.empty()) {
    const std::size_t parent = frontier.back();
    frontier.pop_back();
    const auto [begin, end] = by_parent.equal_range(table[parent].pid);
    for (auto child = begin; child != end; ++child) {
      const std::size_t index = child->second;
      if (members[index] || table[index].pid == refuse) continue;
      members[index] = true;
      frontier.push_back(index);
    }
  }
  return members;
}

std::vector<ProcessFacts> living(const std::vector<ProcessFacts>& table,
                                 const std::vector<bool>& members) {
  std::vector<ProcessFacts> found;
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (members[i] && !is_dead(table[i])) found.push_back(table[i]);
  }
  return found;
}

bool leader_is_there(const std::vector<ProcessFacts>& table, const TreeKey& key) {
  for (const auto& facts : table) {
    if (facts.pid != key.leader) continue;
    return key.leader_start_ticks == 0 || facts.start_ticks == key.leader_start_ticks;
  }
  return false;
}

}  // namespace

std::optional<ProcessFacts> read_process(pid_t pid, bool with_mark) {
  auto facts = proc::read_stat(pid);
  if (facts && with_mark) facts->tree_mark = MarkReader().read(pid);
  return facts;
}

std::vector<ProcessFacts> read_process_table(bool with_marks) {
  std::vector<ProcessFacts> table;
  MarkReader marks;
  proc::for_each_number("/proc", [&](int pid) {
    auto facts = proc::read_stat(pid);
    if (!facts) return;
    if (with_marks && !is_dead(*facts)) facts->tree_mark = marks.read(pid);
    table.push_back(std::move(*facts));
  });
  return table;
}

std::vector<ProcessFacts> tree_members(const std::vector<ProcessFacts>& table, const TreeKey& key) {
  const bool leader_counts = key.leader > 0 && leader_is_there(table, key);
  // A daemon that an app started carries that app's mark; it isn't part of its own apps' trees.
  const pid_t self = ::getpid();
  std::vector<bool> members(table.size());
  for (std::size_t i = 0; i < table.size(); ++i) {
    const ProcessFacts& facts = table[i];
    const bool marked = !key.mark.empty() && facts.tree_mark == key.mark;
    const bool by_leader =
        leader_counts && (facts.pid == key.leader || facts.session == key.leader);
    members[i] = (marked || by_leader) && facts.pid != self;
  }
  return living(table, close_over_children(table, std::move(members), self));
}

std::vector<ProcessFacts> descendants(const std::vector<ProcessFacts>& table, pid_t leader) {
  std::vector<bool> members(table.size());
  for (std::size_t i = 0; i < table.size(); ++i) members[i] = table[i].pid == leader;
  return living(table, close_over_children(table, std::move(members), 0));
}

std::vector<ProcessFacts> descendants(pid_t leader) {
  std::vector<ProcessFacts> found;
  std::vector<pid_t> frontier{leader};
  while (!frontier.empty()) {
    const pid_t pid = frontier.back();
    frontier.pop_back();
    const auto children = proc::children_of(pid);
    if (!children) return descendants(read_process_table(false), leader);
    frontier.insert(frontier.end(), children->begin(), children->end());
    auto facts = proc::read_stat(pid);
    if (facts && !is_dead(*facts)) found.push_back(std::move(*facts));
  }
  return found;
}

}  // namespace dixis
