#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/model.hpp"
#include "daemon/run/adopter.hpp"
#include "daemon/run/build/build_on_disk.hpp"
#include "daemon/run/health_book.hpp"
#include "daemon/run/launch_plan.hpp"
#include "daemon/run/notifier.hpp"
#include "daemon/sys/oom_watch.hpp"
#include "daemon/sys/process.hpp"
#include "daemon/sys/process_table.hpp"

namespace dixis {

/// How a generation takes connections from what is held for it.
enum class Took { nothing, itself, adopter };

/// What runs (or ran) as one generation of a slot; shared by the coroutines that look after it.
struct Generation {
  std::uint64_t number = 0;
  Process process{};  ///< the leader; pid -1 before the fork
  TreeKey tree{};
  LaunchPlan plan{};
  std::string spec_digest{};              ///< of what it was started with; empty: not known
  std::int64_t begun_ms = 0;              ///< boot time: launch asked for
  std::optional<std::int64_t> exec_ms{};  ///< boot time: the program runs
  bool adopted = false;
  bool stderr_told = false;
  std::string proof{};  ///< what was proven, in words
  /// Admitted although the proof has found something: it serves, but not what it should.
  std::string flaw{};
  std::optional<std::string> serves_other{};  ///< it says that it serves this build instead
  std::optional<ListenAddress> found_at{};    ///< where it was found listening
  std::optional<Death> death{};
  std::shared_ptr<OomAccount> memory{};     ///< of its cgroup; null: not counted
  bool memory_followed = false;             ///< restart_above is being looked after
  std::optional<std::string> own_signal{};  ///< the latest that a verb sent it: "SIGKILL"
  std::string own_signal_by{};              ///< "`dixisctl signal` (uid 0)"
  std::set<std::string> strangers{};        ///< executables that were told of
  std::vector<TimelineStep> timeline{};

  // The sockets that dixisd holds for it.
  std::vector<HeldAddress> held{};     ///< passed to it, as 3, 4, …
  std::vector<int> passed{};           ///< what becomes 3, 4, …; borrowed, until it is spawned
  UniqueFd own_listener{};             ///< the private one, until it is spawned
  std::unique_ptr<Adopter> adopter{};  ///< null: nothing is held
  std::string own_socket{};            ///< path of the private one
  Took took = Took::nothing;

  // Health and build.
  HealthBook health{};
  std::uint64_t health_book = 0;       ///< counts its books: a configuration may bring a new one
  Notifier left{};                     ///< notified when it no longer serves
  std::optional<BuildOnDisk> build{};  ///< the running build: on disk when it started
  bool unwell_before = false;  ///< a predecessor found it unhealthy; no probe has spoken since
  bool ready = false;          ///< it said READY=1
  bool ending_itself = false;  ///< it said STOPPING=1
  std::string status_text{};   ///< its STATUS=
  std::int64_t watchdog_fed_ms = 0;  ///< its latest WATCHDOG=1
  Notifier said{};                   ///< notified when it has said something

  // The end of its tree.
  bool killing = false;            ///< SIGKILL instead of the stop signal
  std::uint64_t tree_changes = 0;  ///< counts what makes a scan of the tree outdated
  Notifier tree_changed{};
  std::set<pid_t> watched{};  ///< members whose end will be noticed
  std::set<pid_t> asked{};    ///< members that got the stop signal

  void note_tree_change() {
    ++tree_changes;
    tree_changed.notify_all();
  }
};

}  // namespace dixis
