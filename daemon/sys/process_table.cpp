#include "daemon/sys/process_table.hpp"

#include <array>
#include <cstdio>
#include <functional>
#include <memory>
#include <set>
#include <string_view>
#include <unistd.h>
#include <utility>

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

ProcessIndex::ProcessIndex(std::vector<ProcessFacts> table) : table_(std::move(table)) {
  by_pid_.reserve(table_.size());
  by_session_.reserve(table_.size());
  by_parent_.reserve(table_.size());
  for (std::size_t i = 0; i < table_.size(); ++i) {
    const ProcessFacts& facts = table_[i];
    by_pid_.emplace(facts.pid, i);
    by_session_.emplace(facts.session, i);
    by_parent_.emplace(facts.parent, i);
    if (!facts.tree_mark.empty()) by_mark_.emplace(facts.tree_mark, i);
  }
}

/// What a walk from `roots` over children reaches and lives, in the table's order. What `refuse`
/// names is neither taken nor walked through.
std::vector<ProcessFacts> ProcessIndex::living_tree(std::vector<std::size_t> roots,
                                                    pid_t refuse) const {
  std::set<std::size_t> reached;
  while (!roots.empty()) {
    const std::size_t at = roots.back();
    roots.pop_back();
    if (table_[at].pid == refuse || !reached.insert(at).second) continue;
    const auto [begin, end] = by_parent_.equal_range(table_[at].pid);
    for (auto child = begin; child != end; ++child) roots.push_back(child->second);
  }
  std::vector<ProcessFacts> found;
  for (const std::size_t at : reached) {
    if (!is_dead(table_[at])) found.push_back(table_[at]);
  }
  return found;
}

std::vector<ProcessFacts> ProcessIndex::members(const TreeKey& key) const {
  std::vector<std::size_t> roots;
  const auto add = [&](const auto& range) {
    for (auto one = range.first; one != range.second; ++one) roots.push_back(one->second);
  };
  if (!key.mark.empty()) add(by_mark_.equal_range(key.mark));
  const auto leader = by_pid_.find(key.leader);
  if (key.leader > 0 && leader != by_pid_.end()) {
    const auto start = table_[leader->second].start_ticks;
    if (key.leader_start_ticks == 0 || start == key.leader_start_ticks) {
      roots.push_back(leader->second);
      add(by_session_.equal_range(key.leader));
    }
  }
  // A daemon that an app started carries that app's mark; it isn't part of its own apps' trees.
  return living_tree(std::move(roots), ::getpid());
}

std::vector<ProcessFacts> ProcessIndex::descendants(pid_t leader) const {
  const auto found = by_pid_.find(leader);
  return found == by_pid_.end() ? std::vector<ProcessFacts>() : living_tree({found->second}, 0);
}

std::vector<ProcessFacts> ProcessIndex::marked(const std::string& prefix) const {
  std::vector<ProcessFacts> found;
  for (auto one = by_mark_.lower_bound(prefix);
       one != by_mark_.end() && one->first.starts_with(prefix); ++one) {
    const ProcessFacts& facts = table_[one->second];
    if (!is_dead(facts) && facts.pid != ::getpid()) found.push_back(facts);
  }
  return found;
}

std::vector<ProcessFacts> tree_members(const std::vector<ProcessFacts>& table, const TreeKey& key) {
  return ProcessIndex(table).members(key);
}

std::vector<ProcessFacts> descendants(const std::vector<ProcessFacts>& table, pid_t leader) {
  return ProcessIndex(table).descendants(leader);
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
