#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/model.hpp"
#include "daemon/model/spec.hpp"

/// The life of one slot, as a pure function: (slot, event) → (slot, actions). No clock, no process,
/// no randomness of its own: the caller gives `Moment` and carries the actions out.
namespace dixis::machine {

/// Where a generation is between spawn and death.
enum class Phase {
  launching,  ///< preflight, fork, gate, exec
  proving,    ///< runs; the proof is under way
  serving,    ///< proven
  ending      ///< asked to stop, or its leader is dead: until nothing of its tree is left
};

/// Why a generation is being ended, and what for.
struct Reason {
  Cause cause = Cause::unknown;
  std::string detail{};
};

/// One generation in the slot.
struct Life {
  std::uint64_t generation = 0;
  Phase phase = Phase::launching;
  std::optional<std::int64_t> proven_at_ms{};
  std::optional<std::int64_t> well_until_ms{};  ///< unhealthy: when it was last known to be well
  std::optional<Reason> ended_for{};            ///< set once we want it gone
  bool leader_dead = false;
  bool escalated = false;  ///< the stop timeout had to kill the leader
  bool clean_exit = false;
  std::optional<int> exit_code{};
};

/// The timers a slot can have. Each is armed in one situation only (see `timers_in_order`).
enum class Timer { backoff, start, stop };

struct Timers {
  bool backoff = false;
  bool start = false;
  bool stop = false;
  bool operator==(const Timers&) const = default;
};

struct Slot {
  Desired desired = Desired::down;
  State state = State::stopped;
  std::optional<Life> current{};
  std::uint64_t next_generation = 1;
  std::uint64_t restarts = 0;  ///< that nobody asked for
  std::uint32_t failures = 0;  ///< deaths and failed launches in a row
  bool relaunch = false;       ///< a new generation follows the one that is ending
  bool halted = false;         ///< the daemon shuts down: nothing is launched any more
  Timers timers{};
  std::string message{};  ///< why it is in this state
};

// Events.
struct Start {};
struct Stop {
  Reason reason;
};
struct Restart {
  Reason reason;
};
struct Halt {
  Reason reason;
};
struct Launched {
  std::uint64_t generation;
};
struct LaunchFailed {
  std::uint64_t generation;
  std::string message;
};
struct Proven {
  std::uint64_t generation;
};
struct ProofFailed {
  std::uint64_t generation;
  Reason reason;
};
struct Unhealthy {
  std::uint64_t generation;
  std::string message;
  bool restart;  ///< or only mark
  std::int64_t well_until_ms;
};
struct Recovered {
  std::uint64_t generation;
};
struct LeaderDied {
  std::uint64_t generation;
  std::optional<int> exit_code;  ///< nullopt: by a signal, or unknown
};
struct TreeGone {
  std::uint64_t generation;
};
/// The tree is gone, but something else holds the port of an app that shall be down.
struct PortHeld {
  std::uint64_t generation;
  std::string message;
};
struct TimerFired {
  Timer timer;
};
/// A generation that a predecessor of this daemon left running.
struct Adopted {
  std::uint64_t generation;
  bool proven;
  std::uint64_t restarts;
  std::uint32_t failures;
  std::optional<Slot> before{};  ///< the slot as the predecessor left it, where that is known
  Milliseconds age{};            ///< since its exec
};
/// A slot that a predecessor left without a generation.
struct Resumed {
  Slot before;
  Milliseconds retry_in;  ///< of one in backoff
};
/// A generation that a predecessor left running has ended since, and nothing of its tree is left.
struct Lost {
  std::uint64_t generation;
  bool proven;
  std::optional<Slot> before{};
};
using Event =
    std::variant<Start, Stop, Restart, Halt, Launched, LaunchFailed, Proven, ProofFailed, Unhealthy,
                 Recovered, LeaderDied, TreeGone, PortHeld, TimerFired, Adopted, Resumed, Lost>;

// Actions.
struct Launch {
  std::uint64_t generation;
};
struct BeginProof {
  std::uint64_t generation;
};
/// The stop signal to the leader's group.
struct Terminate {
  std::uint64_t generation;
};
/// SIGKILL to the whole tree, until nothing is left.
struct KillTree {
  std::uint64_t generation;
};
/// The leader is dead: ask the rest to stop, and report TreeGone when nothing is left.
struct Sweep {
  std::uint64_t generation;
};
/// Nothing is left: reap the leader, drop the record.
struct Bury {
  std::uint64_t generation;
};
struct ArmTimer {
  Timer timer;
  Milliseconds delay;
};
struct CancelTimer {
  Timer timer;
};
using Action =
    std::variant<Launch, BeginProof, Terminate, KillTree, Sweep, Bury, ArmTimer, CancelTimer>;

/// What the outside contributes to a step.
struct Moment {
  std::int64_t now_ms = 0;  ///< a monotonic clock
  double random = 0.5;      ///< in [0, 1), for jitter
};

/// The part of a specification that the machine follows.
struct Policy {
  StartPolicy start{};
  StopPolicy stop{};
  RestartPolicy restart{};
};

struct Step {
  Slot slot;
  std::vector<Action> actions;
};

/// How long what a dead leader left behind may take to stop by itself: it serves nobody, and the
/// next generation waits for its port.
inline constexpr Milliseconds kOrphanGrace{2'000};

/// What an adopted generation that isn't proven yet gets for its proof at least, however long no
/// daemon was there to see it.
inline constexpr Milliseconds kLeastProof{2'000};

/// Applies `event`. Events of a generation that isn't in the slot change nothing.
Step step(Slot slot, const Event& event, const Policy& policy, const Moment& moment);

/// Whether exactly the timers of its situation are armed: `start` while proving, `stop` while
/// ending, `backoff` in backoff.
bool timers_in_order(const Slot& slot);

}  // namespace dixis::machine
