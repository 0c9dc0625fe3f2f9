#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include <boost/asio.hpp>

#include "common/result.hpp"
#include "daemon/sys/fd.hpp"
#include "daemon/sys/process.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// What a child becomes before exec. Resolved beforehand: nothing is looked up in the child.
struct Credentials {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups{};
  std::string user{};
  std::string home{};
  std::string shell{};
};

struct SpawnLimit {
  int resource = 0;
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

/// Everything a spawn needs, ready before the fork.
struct SpawnRequest {
  std::string executable{};  ///< absolute path
  std::vector<std::string> argv{};
  std::vector<std::string> environment{};  ///< "NAME=value"
  std::string cwd{};
  std::optional<Credentials> credentials{};  ///< nullopt: the daemon's own
  mode_t umask = 022;
  int nice = 0;
  std::vector<SpawnLimit> limits{};
  int stdin_fd = -1;  ///< borrowed for the call, all three; -1: /dev/null
  int stdout_fd = -1;
  int stderr_fd = -1;
  std::vector<int> passed_fds{};  ///< become 3, 4, … in the child; borrowed for the call
  bool tell_pid = false;          ///< its environment gets LISTEN_PID, as sd_listen_fds(3) wants
};

/// Where in the child a spawn failed.
enum class SpawnStep { fork, session, limits, nice, gate, groups, gid, uid, chdir, stdio, exec };

struct SpawnFailure {
  SpawnStep step = SpawnStep::fork;
  int error = 0;
};

/// Called by result::value() on a failure; it throws std::runtime_error.
[[noreturn]] void throw_exception_from_error(const SpawnFailure& failure,
                                             const boost::source_location& location);

/// "chdir /var/www/x: No such file or directory", naming what the step was about.
std::string describe(const SpawnFailure& failure, const SpawnRequest& request);

/// A child that waits at the gate: its own session, no descriptor but its own, signals blocked. If
/// this is destroyed before the gate is opened (or the daemon dies), the child exits without exec.
struct GatedChild {
  Process process;
  UniqueFd gate;     ///< our end
  UniqueFd failure;  ///< {step, errno} or end-of-file at exec
};

/// Forks. The caller registers the child with the reaper in the same turn of the loop.
/// The child: default signal handlers, setsid, close_range of all but its own, then the gate
/// (end-of-file: _exit), limits, nice, groups, gid, uid, chdir, umask, unblock, exec.
boost::system::result<GatedChild, SpawnFailure> spawn_gated(const SpawnRequest& request);

/// Opens the gate and waits for exec. nullopt: the program runs. Both pipes are closed then. A
/// child that was killed while it waited is a failure of the step `gate`; one that is killed
/// between the gate and exec can't be told from one that runs: the reaper reports its death.
Task<std::optional<SpawnFailure>> open_gate(GatedChild& child);

}  // namespace dixis
