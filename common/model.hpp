#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>

/// What travels between daemon and client, and into documents. The JSON of each type is made by
/// common/json.hpp from its description: field names here are field names there.
namespace dixis {

/// The state of a slot. `backoff`: dead, a restart is scheduled. `failed`: given up.
enum class State { stopped, starting, online, unhealthy, stopping, backoff, failed };
BOOST_DESCRIBE_ENUM(State, stopped, starting, online, unhealthy, stopping, backoff, failed)

/// What the configuration and the operator's last verb ask for.
enum class Desired { up, down };
BOOST_DESCRIBE_ENUM(Desired, up, down)

/// How a process ended. `lost`: no daemon was watching.
enum class How { exited, signaled, lost };
BOOST_DESCRIBE_ENUM(How, exited, signaled, lost)

/// Why it ended, as far as it is known.
enum class Cause {
  itself,
  signal_from,
  oom_app,
  oom_machine,
  unhealthy,
  watchdog,
  start_timeout,
  verb,
  config,
  new_build,
  memory_threshold,
  shutdown,
  adopter,
  unknown
};
BOOST_DESCRIBE_ENUM(Cause, itself, signal_from, oom_app, oom_machine, unhealthy, watchdog,
                    start_timeout, verb, config, new_build, memory_threshold, shutdown, adopter,
                    unknown)

/// A process that another one descends from.
struct Ancestor {
  std::int64_t pid{};
  std::string comm{};
};
BOOST_DESCRIBE_STRUCT(Ancestor, (), (pid, comm))

/// Who sent a signal. What could not be read any more is null.
struct Sender {
  std::int64_t pid{};
  std::optional<std::string> comm{};
  std::optional<std::string> exe{};
  std::optional<std::int64_t> uid{};
  std::vector<Ancestor> parents{};  ///< its parent first; empty if it was gone already
};
BOOST_DESCRIBE_STRUCT(Sender, (), (pid, comm, exe, uid, parents))

/// The record of a generation's end.
struct Death {
  How how{How::lost};
  Cause cause{Cause::unknown};
  std::optional<std::int64_t> code{};   ///< exit code, when `how` is exited
  std::optional<std::string> signal{};  ///< "SIGKILL", when `how` is signaled
  bool escalated{};                     ///< our stop timeout had to kill
  bool core_dumped{};
  std::optional<Sender> sender{};
  std::string at{};  ///< RFC 3339, UTC, milliseconds
  std::uint64_t generation{};
  std::optional<std::int64_t> lived_ms{};  ///< from exec to death
  std::string detail{};   ///< the fact behind the cause: the proof that failed, who asked, …
  std::string message{};  ///< for people; see death.hpp
};
BOOST_DESCRIBE_STRUCT(Death, (),
                      (how, cause, code, signal, escalated, core_dumped, sender, at, generation,
                       lived_ms, detail, message))

/// The end of a generation with what is known around it, as `why` tells it and the archive keeps
/// it.
struct DeathRecord {
  std::string app{};
  std::uint32_t instance{};
  Death death{};
  std::optional<std::string> build{};         ///< the running build
  std::optional<std::string> probe_answer{};  ///< the last one
  std::vector<std::string> last_lines{};      ///< of its stderr, at most 20
  std::string reaction{};  ///< "restarted at once as generation 4", "given up after 5 …"
};
BOOST_DESCRIBE_STRUCT(DeathRecord, (),
                      (app, instance, death, build, probe_answer, last_lines, reaction))

/// The result of one probe, as `probe` and the history of `describe` show it.
struct ProbeReport {
  std::string app{};
  std::uint32_t instance{};
  std::string probe{};  ///< "http /api/health"
  bool good{};
  std::string message{};
  std::optional<std::int64_t> latency_ms{};
  std::string at{};  ///< RFC 3339, UTC, milliseconds
};
BOOST_DESCRIBE_STRUCT(ProbeReport, (), (app, instance, probe, good, message, latency_ms, at))

struct Health {
  std::string status{};  ///< "healthy", "unhealthy" or "unknown"
  std::optional<std::int64_t> latency_ms{};
  std::optional<std::int64_t> checked_ms_ago{};
  std::string message{};
};
BOOST_DESCRIBE_STRUCT(Health, (), (status, latency_ms, checked_ms_ago, message))

struct Build {
  std::optional<std::string> running{};
  std::optional<std::string> on_disk{};
  bool stale{};                          ///< the two differ
  std::optional<std::string> problem{};  ///< why the one on disk isn't complete; null: it is
};
BOOST_DESCRIBE_STRUCT(Build, (), (running, on_disk, stale, problem))

/// A generation of a slot that is not the one that serves.
struct OtherGeneration {
  std::int64_t pid{};
  std::uint64_t generation{};
  std::string phase{};
};
BOOST_DESCRIBE_STRUCT(OtherGeneration, (), (pid, generation, phase))

/// One row of `list`: a slot and the generation that serves in it.
struct InstanceStatus {
  std::string app{};
  std::uint32_t instance{};
  State state{State::stopped};
  Desired desired{Desired::up};
  std::optional<std::int64_t> pid{};
  std::optional<std::uint64_t> generation{};
  std::uint64_t restarts{};  ///< the restarts that nobody asked for
  std::optional<std::int64_t> uptime_ms{};
  std::optional<double> cpu_percent{};          ///< of one core
  std::optional<std::int64_t> cpu_window_ms{};  ///< what cpu_percent is the mean of
  std::optional<std::int64_t> memory_bytes{};   ///< the whole tree's; see Description
  std::optional<std::int64_t> port{};
  std::optional<Health> health{};
  std::optional<Build> build{};
  std::vector<OtherGeneration> also{};
  std::optional<Death> last_death{};
  std::optional<std::int64_t> retry_in_ms{};  ///< in backoff: until the next attempt
  std::string message{};  ///< why it is in this state, where that needs saying; may be empty
};
BOOST_DESCRIBE_STRUCT(InstanceStatus, (),
                      (app, instance, state, desired, pid, generation, restarts, uptime_ms,
                       cpu_percent, cpu_window_ms, memory_bytes, port, health, build, also,
                       last_death, retry_in_ms, message))

/// One process of an app's tree.
struct TreeProcess {
  std::int64_t pid{};
  std::int64_t parent{};
  std::string command{};
  std::optional<std::string> user{};
  std::int64_t memory_bytes{};
  std::optional<std::string> exe{};       ///< its executable; null: unreadable
  std::optional<double> cpu_percent{};    ///< of one core, mean since its start
  std::optional<std::string> stranger{};  ///< why it doesn't belong to the app; null: it does
};
BOOST_DESCRIBE_STRUCT(TreeProcess, (),
                      (pid, parent, command, user, memory_bytes, exe, cpu_percent, stranger))

/// One step of the last start, for `describe`.
struct TimelineStep {
  std::string step{};  ///< "stop", "preflight", "spawn", "listening", "proven"
  std::int64_t duration_ms{};
};
BOOST_DESCRIBE_STRUCT(TimelineStep, (), (step, duration_ms))

/// What `describe` shows of a slot, beyond its row in `list`. Values of variables are not in it:
/// secrets are not shown.
struct Description {
  InstanceStatus status{};
  std::vector<std::string> command{};
  std::vector<std::string> resolved_command{};  ///< what was executed; empty before the first spawn
  std::string cwd{};
  std::optional<std::string> user{};
  std::string defined_at{};  ///< FILE:LINE
  std::string out_log{};
  std::string err_log{};
  std::vector<std::string> environment{};  ///< names only
  std::vector<std::string> listeners{};    ///< "127.0.0.1:3000 (pid 4711)"
  std::vector<TreeProcess> tree{};
  std::vector<TimelineStep> timeline{};
  std::vector<ProbeReport> health_history{};  ///< the last 20 results, newest first
  std::optional<DeathRecord> death{};         ///< the last one, with what is known around it
  std::vector<std::string> after{};
  std::vector<std::string> tags{};
  std::string memory_source{};          ///< "tree" (sum of its processes) or "cgroup"
  std::optional<std::string> cgroup{};  ///< its directory; null: it has none of its own
  std::vector<std::string> limits{};    ///< "memory 1G", with what is wrong where it isn't in force
};
BOOST_DESCRIBE_STRUCT(Description, (),
                      (status, command, resolved_command, cwd, user, defined_at, out_log, err_log,
                       environment, listeners, tree, timeline, health_history, death, after, tags,
                       memory_source, cgroup, limits))

/// Something that happened, as `events` streams it.
struct Event {
  std::string at{};    ///< RFC 3339, UTC, milliseconds
  std::string type{};  ///< "state", "spawned", "proven", "death", "verb", "config", "stranger",
                       ///< "warning"
  std::optional<std::string> app{};
  std::optional<std::uint32_t> instance{};
  std::optional<std::uint64_t> generation{};
  std::optional<State> state{};
  std::optional<std::int64_t> pid{};
  std::optional<Death> death{};
  std::string message{};
};
BOOST_DESCRIBE_STRUCT(Event, (), (at, type, app, instance, generation, state, pid, death, message))

/// A step of a verb under way, for the progress line.
struct Progress {
  std::string app{};
  std::uint32_t instance{};
  std::string step{};     ///< "queued", "preflight", "stopping", "spawning", "proving", "proven"…
  std::string message{};  ///< for people
  std::int64_t elapsed_ms{};
};
BOOST_DESCRIBE_STRUCT(Progress, (), (app, instance, step, message, elapsed_ms))

/// How a verb ended for one slot.
struct Outcome {
  std::string app{};
  std::uint32_t instance{};
  bool ok{};
  std::string message{};  ///< for people: what was proven, or what failed and what to do
  std::optional<std::int64_t> pid{};
  std::optional<std::uint64_t> generation{};
  std::int64_t elapsed_ms{};
};
BOOST_DESCRIBE_STRUCT(Outcome, (), (app, instance, ok, message, pid, generation, elapsed_ms))

/// A reply of Start, Stop, Restart (and LoadConfig, Add, Remove). Streamed: first operation and
/// deadline_ms, then progress or heartbeat, last outcomes. Unstreamed: all that is last, at once.
struct VerbReply {
  std::optional<std::string> operation{};
  std::optional<std::int64_t>
      deadline_ms{};  ///< from now: when the verb has ended, whatever happens
  std::optional<Progress> progress{};
  std::optional<bool> heartbeat{};
  std::optional<std::vector<Outcome>> outcomes{};
  std::optional<std::string> not_durable{};  ///< done, but would not survive a reboot: why
  std::optional<std::vector<std::string>> warnings{};
};
BOOST_DESCRIBE_STRUCT(VerbReply, (),
                      (operation, deadline_ms, progress, heartbeat, outcomes, not_durable,
                       warnings))

/// One thing that is wrong in the configuration.
struct Problem {
  std::string file{};
  std::int64_t line{};    ///< from 1; 0 where the whole file is meant
  std::int64_t column{};  ///< from 1
  std::string path{};     ///< "apps.frontend.health.interval"
  std::string message{};  ///< what was expected
  std::string hint{};     ///< "did you mean 'interval'?"
  bool warning{};         ///< true: the configuration can be used all the same
};
BOOST_DESCRIBE_STRUCT(Problem, (), (file, line, column, path, message, hint, warning))

/// What a load does to one app.
struct PlanItem {
  std::string app{};
  std::string action{};  ///< "add", "remove", "restart", "update" (no new process), "keep"
  std::vector<std::string> changed{};  ///< keys
};
BOOST_DESCRIBE_STRUCT(PlanItem, (), (app, action, changed))

}  // namespace dixis
