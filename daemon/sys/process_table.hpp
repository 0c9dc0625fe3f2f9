#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <unordered_map>
#include <vector>

#include "daemon/sys/process.hpp"

/// What /proc says. These calls may block (a hung process holds locks): workers only.
namespace dixis {

struct ProcessFacts {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  char state = '?';  ///< 'Z' zombie, 'D' uninterruptible, 'T' stopped, …
  std::uint64_t start_ticks = 0;
  std::uint64_t cpu_ticks = 0;  ///< user + system, own threads
  std::int64_t rss_bytes = 0;
  std::string comm{};
  std::string tree_mark{};  ///< DIXIS_TREE of its environment; empty if unreadable or not asked for
};

/// One process; nullopt if there is none with that pid.
std::optional<ProcessFacts> read_process(pid_t pid, bool with_mark);
/// All of them. `with_marks` reads each environment too.
std::vector<ProcessFacts> read_process_table(bool with_marks);

/// What makes a process a member of an app's tree.
struct TreeKey {
  std::string mark{};  ///< value of DIXIS_TREE
  pid_t leader = 0;    ///< its session, and the ancestor of members
  std::uint64_t leader_start_ticks = 0;
  std::string cgroup{};  ///< directory of its own cgroup; empty: it has none
};

/// The members of a tree in `table`, zombies and this very process excluded: by mark, by session,
/// by descent; a look-up in the kernel's list of its cgroup is the caller's. Session and descent
/// from the leader count only if the leader is in the table with the start time of the key (0:
/// any); a number alone may be another's by now.
std::vector<ProcessFacts> tree_members(const std::vector<ProcessFacts>& table, const TreeKey& key);

/// A table in which many trees are looked up: each costs what the tree costs, not the table.
class ProcessIndex {
 public:
  explicit ProcessIndex(std::vector<ProcessFacts> table);

  /// As tree_members().
  std::vector<ProcessFacts> members(const TreeKey& key) const;
  /// The leader and its descendants, zombies excluded.
  std::vector<ProcessFacts> descendants(pid_t leader) const;
  /// The living whose mark begins with `prefix`, this very process excluded.
  std::vector<ProcessFacts> marked(const std::string& prefix) const;

 private:
  std::vector<ProcessFacts> living_tree(std::vector<std::size_t> roots, pid_t refuse) const;

  std::vector<ProcessFacts> table_;
  std::multimap<std::string, std::size_t> by_mark_;
  std::unordered_map<pid_t, std::size_t> by_pid_;
  std::unordered_multimap<pid_t, std::size_t> by_session_;
  std::unordered_multimap<pid_t, std::size_t> by_parent_;
};

/// The leader and its descendants by /proc/PID/task/*/children: cheap, for memory and CPU figures.
std::vector<ProcessFacts> descendants(pid_t leader);
/// The same from a table that was read already: for many leaders at once.
std::vector<ProcessFacts> descendants(const std::vector<ProcessFacts>& table, pid_t leader);

/// A process as a person wants it named.
struct ProcessPortrait {
  pid_t pid = 0;
  std::string comm{};
  std::string command{};  ///< command line, blanks between words, at most 300 bytes
  std::string cwd{};      ///< empty if unreadable
  std::string user{};     ///< name, or the uid as digits
};
ProcessPortrait portray(pid_t pid);
/// "php -S 127.0.0.1:8001 (pid 4711, user deploy, in /var/www/shop)".
std::string to_text(const ProcessPortrait& portrait);

}  // namespace dixis
