#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio.hpp>

#include "common/model.hpp"
#include "daemon/logs/log_settings.hpp"
#include "daemon/model/instance_machine.hpp"
#include "daemon/model/spec.hpp"
#include "daemon/run/generation.hpp"
#include "daemon/run/operation.hpp"
#include "daemon/run/probe/notify_socket.hpp"
#include "daemon/run/probe/probe.hpp"
#include "daemon/run/records.hpp"
#include "daemon/run/services.hpp"
#include "daemon/run/slot_record.hpp"
#include "daemon/run/strangers.hpp"
#include "daemon/run/verb_lane.hpp"

namespace dixis {

/// A slot of an app: feeds the machine with what happens and carries its actions out. Lives on the
/// loop's thread; its coroutines keep it alive until they have ended.
class Instance : public std::enable_shared_from_this<Instance> {
 public:
  Instance(Services& services, AppSpec spec, std::uint32_t number);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const AppSpec& spec() const { return spec_; }
  /// Takes effect at the next spawn, stop or death; what is asked for health, at once.
  void set_spec(AppSpec spec);
  std::uint32_t number() const { return number_; }
  /// "frontend", or "frontend:1" where an app has several.
  std::string label() const;

  const machine::Slot& slot() const { return slot_; }
  const std::shared_ptr<Generation>& generation() const { return generation_; }
  /// Notified at every change of the slot.
  Notifier& changed() { return changed_; }
  /// Whoever waits for this slot, or for what replaces it, looks again.
  void wake_all();
  /// Shared with the instance whose place this one takes.
  VerbLane& lane() { return *lane_; }

  /// True from a start that waits for its predecessors until it is launched.
  void expect_start(bool expected);
  bool start_expected() const { return start_expected_; }
  /// Whether apps that come after this one may start: proven, has failed once, or shall not run.
  bool settled() const;

  /// Row of `list` without memory and CPU, which need a look at /proc.
  InstanceStatus status(Desired desired) const;
  const std::vector<TimelineStep>& last_timeline() const { return last_timeline_; }
  const std::optional<DeathRecord>& last_record() const { return last_record_; }
  const std::vector<std::string>& last_argv() const { return last_argv_; }

  /// Takes back a generation that runs already.
  void adopt(const GenerationRecord& record, Process process, Desired desired);

  /// A verb sends its leader a signal: if it ends of it, that is no stranger's doing.
  void note_signal(int signal, const std::string& by);
  /// A program has started in its tree, from where no programs are installed.
  void program_started(pid_t pid);
  /// Tells of those that weren't told of.
  void tell_strangers(const std::vector<Stranger>& found);
  /// The limits of its tree as `describe` shows them.
  std::vector<std::string> limits_view() const;

  /// Notes that a generation ended while no daemon was watching.
  void record_lost(const GenerationRecord& record);

  /// What runs was started with another command, user, environment… than is configured now.
  bool outdated() const;

  /// Where a record was damaged: whether processes with this slot's mark live without one. They are
  /// never killed on that ground, nothing is started beside them, and the slot says so.
  Task<bool> held_back();

  /// Generations to come have this number at least.
  void reserve_generations(std::uint64_t first) {
    slot_.next_generation = std::max(slot_.next_generation, first);
  }
  /// What a predecessor noted of the slot; before anything is taken back (instance_slot.cpp).
  void remember(const SlotRecord& record);
  /// Goes on where that left a slot without a generation: its backoff, its failure.
  void take_up(Desired desired);
  /// What follows the end of a lost generation, once nothing of it is left.
  void note_lost(std::uint64_t generation, bool proven, Desired desired);

  /// Ends what runs because the daemon ends, and waits for it.
  Task<void> halt();

  // Verbs, to be run in the lane (instance_verbs.cpp). `report` gets the steps.
  using Report = std::function<void(const std::string& step, const std::string& message)>;
  Task<Outcome> start(VerbTicket ticket, Caller caller, Report report);
  Task<Outcome> stop(VerbTicket ticket, machine::Reason reason, Report report);
  struct RestartOptions {
    machine::Reason reason{};
    bool force = false;                 ///< skip the preflight
    std::optional<AppSpec> new_spec{};  ///< from now on, if its preflight passes
  };
  Task<Outcome> restart(VerbTicket ticket, RestartOptions options, Report report);
  /// A restart that a predecessor of this daemon had under way. `first`: the number from which on a
  /// generation is its work.
  Task<Outcome> finish_restart(VerbTicket ticket, RestartOptions options, std::uint64_t first,
                               Report report);

  struct ReloadOptions {
    machine::Reason reason{};
    bool or_restart = false;            ///< where it can't be done without a gap
    std::optional<AppSpec> new_spec{};  ///< from now on, if its process is proven
    /// Told of a successor before it starts.
    std::function<void(std::shared_ptr<Instance> successor)> beside{};
    /// Puts `heir`, which is proven and let in, where `old` was.
    std::function<void(std::shared_ptr<Instance> old, std::shared_ptr<Instance> heir)> take_place{};
  };
  /// Replaces what serves without a gap (instance_reload.cpp).
  Task<Outcome> reload(VerbTicket ticket, ReloadOptions options, Report report);
  /// Takes no further connections, and lets those that it has end; for one that is to go.
  Task<void> drain_out(Report report);
  /// Why a reload to `next` would be a restart; nullopt: it isn't one, or nothing serves.
  std::optional<std::string> why_no_reload(const AppSpec& next) const;
  /// The instance that has the slot now: this one, or the one that has taken its place.
  std::shared_ptr<Instance> latest();
  /// `heir` has the slot; before this one is adopted.
  void retired_for(std::shared_ptr<Instance> heir) { heir_ = std::move(heir); }
  /// `heir` serves already: drains and stops this one, which a predecessor of the daemon left.
  Task<void> finish_retiring(std::shared_ptr<Instance> heir);

  /// Asks each probe once, now (instance_health.cpp).
  Task<std::vector<ProbeReport>> probe_now();
  /// The latest answers of probes, newest first.
  std::vector<ProbeReport> health_history() const;
  /// Why the build on disk can't be started now; nullopt: it can, or there is none.
  std::optional<std::string> build_problem() const;
  /// Why `on_new_build` could not restart it; shown until the build changes.
  void note_refused_build(const std::string& why);

  /// The longest a verb may take, of its own.
  Milliseconds start_deadline() const;
  Milliseconds stop_deadline() const;

 private:
  // The machine (instance.cpp).
  void apply(machine::Event event);
  void apply_one(const machine::Event& event);
  void carry_out(const machine::Launch& action);
  void carry_out(const machine::BeginProof& action);
  void carry_out(const machine::Terminate& action);
  void carry_out(const machine::KillTree& action);
  void carry_out(const machine::Sweep& action);
  void carry_out(const machine::Bury& action);
  void carry_out(const machine::ArmTimer& action);
  void carry_out(const machine::CancelTimer& action);
  boost::asio::steady_timer& timer(machine::Timer which);
  void timer_fired(machine::Timer which);
  machine::Policy policy() const { return {spec_.start, spec_.stop, spec_.restart}; }
  bool runs(std::uint64_t generation) const;
  void spawn(Task<void> task);
  void note_slot();
  void publish(Event event) const;

  // From launch to death (instance_launch.cpp).
  Task<void> launch(std::uint64_t number);
  Task<Result<void>> spawn_generation(std::shared_ptr<Generation> generation);
  Task<Result<std::optional<BuildOnDisk>>> launchable_build(LaunchPlan plan);
  Task<void> discard(GatedChild child);
  Task<void> enter_scope(std::shared_ptr<Generation> generation, pid_t pid);
  void warn_of_limits(const Generation& generation) const;
  Task<void> watch(std::shared_ptr<Generation> generation);
  Death make_death(const Generation& generation, const ExitStatus& status) const;
  GenerationRecord record_of(const Generation& generation) const;
  std::string tree_mark(std::uint64_t number) const;
  std::string tree_mark_prefix() const;
  std::string probe_mark_prefix() const { return tree_mark_prefix() + "probe-"; }

  // The proof (instance_proof.cpp).
  Task<void> prove(std::shared_ptr<Generation> generation);
  Task<bool> prove_alive(std::shared_ptr<Generation> generation);
  Task<bool> prove_port(std::shared_ptr<Generation> generation);
  void mark_flaw(const Generation& generation);
  void step_done(Generation& generation, const std::string& step) const;
  struct PortProof {
    bool proven = false;
    std::string text{};  ///< what was proven, or who else listens; empty: look again
    ListenAddress at{};  ///< where
  };
  Task<PortProof> look_at_port(std::shared_ptr<Generation> generation,
                               std::vector<Listener> listeners);
  void proven(Generation& generation, std::string text);
  void not_proven(const Generation& generation, std::string text,
                  Cause cause = Cause::start_timeout);
  std::string why_not_proven(const Generation& generation) const;

  // Held sockets (instance_sockets.cpp).
  Result<void> open_adopter(Generation& generation);
  Task<Result<void>> prepare_sockets(std::shared_ptr<Generation> generation);
  Task<bool> prove_held(std::shared_ptr<Generation> generation);
  Task<bool> has_taken(std::shared_ptr<Generation> generation,
                       boost::asio::generic::stream_protocol::socket& caller);
  Task<bool> admit(std::shared_ptr<Generation> generation);
  Task<std::optional<std::string>> warm_up(std::shared_ptr<Generation> generation);
  static std::optional<std::string> private_socket(const Generation& generation);
  std::string not_taken(const Generation& generation) const;

  // Reload (instance_reload.cpp).
  void begin_beside(Instance& old);
  Task<bool> prove_beside(std::shared_ptr<Generation> generation);
  Task<void> withdraw(machine::Reason reason);
  void hand_over(const std::shared_ptr<Instance>& heir);
  Task<std::int64_t> drain(std::function<bool()> goes_on, Report report);
  Task<std::int64_t> retire(machine::Reason reason, std::function<bool()> goes_on, Report report);
  Task<Outcome> not_reloaded(std::shared_ptr<Instance> successor, std::string why,
                             std::int64_t begun_ms);
  void add_others(InstanceStatus& status) const;

  // Health (instance_health.cpp).
  std::vector<ProbeSpec> probes_of(const Generation& generation) const;
  bool serves(std::uint64_t generation) const;
  ProbeTarget probe_target(const Generation& generation, const ProbeSpec& spec);
  Task<ProbeReport> ask(std::shared_ptr<Generation> generation, ProbeSpec spec);
  Task<bool> prove_health(std::shared_ptr<Generation> generation);
  void begin_monitoring(const std::shared_ptr<Generation>& generation);
  void renew_probes(const std::shared_ptr<Generation>& generation);
  Task<void> monitor(std::shared_ptr<Generation> generation, std::size_t index);
  void note(Generation& generation, std::size_t index, ProbeReport report);
  void unwell(Generation& generation, const std::string& complaint);

  // What the app says by itself (instance_notify.cpp).
  Result<void> open_notify_socket(Generation& generation);
  Task<void> hear(Notification said);
  void take_notification(Generation& generation, const std::string& name, const std::string& value);
  Task<void> await_own_end(std::shared_ptr<Generation> generation);
  void extend_timeout(const std::string& microseconds);
  static ProbeAnswer notify_answer(const Generation& generation, const NotifyProbe& probe,
                                   Milliseconds interval);

  // What is seen from outside (instance_witness.cpp).
  void watch_death(const std::shared_ptr<Generation>& generation);
  void forget_death(const Generation& generation);
  void tell_oom(const Generation& generation) const;
  Death explained(const Generation& generation, const ExitStatus& waited) const;
  Death lost_death(const GenerationRecord& record) const;
  Task<void> look_for_strangers(std::vector<pid_t> pids);

  // restart_above (instance_memory.cpp).
  Task<void> follow_memory(std::shared_ptr<Generation> generation);
  void begin_following_memory(const std::shared_ptr<Generation>& generation);

  // Builds (instance_build.cpp).
  struct BuildWait {
    std::chrono::steady_clock::time_point until{};
    std::function<bool()> wanted{};
    std::function<void(const std::string& message)> report{};
    bool force = false;  ///< take it as it is
  };
  Task<Result<std::optional<BuildOnDisk>>> ready_build(LaunchPlan plan, BuildWait wait);
  void watch_build(const std::optional<Credentials>& credentials);
  Task<void> watch_unlaunched_build();
  void build_changed(const std::optional<BuildOnDisk>& now);
  void build_completed();
  Task<bool> has_settled(Milliseconds settle);
  Task<void> follow_flaw(std::shared_ptr<Generation> generation);
  Task<void> follow_new_build(std::uint64_t change);
  bool is_stale() const;
  std::optional<Build> build_view() const;
  Task<std::string> prove_build(std::shared_ptr<Generation> generation);
  Task<Result<std::string>> prove_build_again(std::shared_ptr<Generation> generation);
  Task<void> find_flaw(std::shared_ptr<Generation> generation);

  // What is kept of a death (instance_death.cpp).
  std::string reaction() const;
  static std::string number_of(const Instance& other);
  Task<void> archive(std::shared_ptr<Generation> generation);
  LogSource log_source(std::uint64_t generation) const;
  /// What a generation wrote last.
  Task<std::string> last_lines(std::uint64_t generation, int lines);

  // What outlives the daemon beside the processes (instance_keep.cpp).
  std::string kept_key(const char* stream, std::uint64_t generation) const;
  void keep_pipes(std::uint64_t generation);
  bool resume_pipes(std::uint64_t generation);
  void forget_kept(std::uint64_t generation);
  Task<void> forget_carried_pipes(std::uint64_t generation);

  // Taking back (instance_adopt.cpp).
  void take_back_sockets(Generation& generation, const GenerationRecord& record);
  void reopen_adopter(Generation& generation);
  Task<void> end_orphaned_probes();
  Task<void> restore(std::shared_ptr<Generation> generation);
  Task<void> resume(std::shared_ptr<Generation> generation);

  // The end of a tree (instance_end.cpp).
  Task<void> sweep(std::shared_ptr<Generation> generation);
  Task<void> kill_members(std::shared_ptr<Generation> generation);
  void watch_member(const std::shared_ptr<Generation>& generation, const ProcessFacts& member);
  Task<std::string> survivors(TreeKey tree);
  Task<Result<void>> verify_stopped();
  /// Other instances of the app may listen on its address.
  bool shares_port() const { return !spec_.held.empty() && spec_.instances > 1; }

  // Pieces of the verbs (instance_verbs.cpp).
  Task<Outcome> await_proven(VerbTicket ticket, std::uint64_t first_generation, Report report,
                             std::int64_t begun_ms);
  Task<std::optional<std::string>> refuse_restart(VerbTicket ticket, RestartOptions options,
                                                  Report report);
  Task<std::optional<Error>> check_build(VerbTicket ticket, LaunchPlan plan, Report report);
  Task<Result<std::string>> prove_running();
  Task<Outcome> failed_start(std::string message, std::int64_t begun_ms);
  Outcome outcome(bool ok, std::string message, std::int64_t begun_ms) const;

  Services& services_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  AppSpec spec_;
  std::uint32_t number_;
  machine::Slot slot_;
  std::optional<SlotRecord> noted_;  ///< what the runtime directory holds of the slot
  std::deque<machine::Event> pending_;
  bool applying_ = false;
  std::shared_ptr<Generation> generation_;
  std::optional<Death> last_death_;
  std::optional<DeathRecord> last_record_;
  std::string build_refusal_{};  ///< why on_new_build could not restart it
  std::vector<TimelineStep> last_timeline_;
  std::vector<std::string> last_argv_;
  std::optional<ListenAddress> last_listen_;

  /// The latest start that failed, for the verb that waits for it.
  struct Failure {
    std::uint64_t generation = 0;
    std::string message{};
    bool ran = false;
  };
  std::optional<Failure> last_failure_;

  boost::asio::steady_timer backoff_timer_;
  boost::asio::steady_timer start_timer_;
  boost::asio::steady_timer stop_timer_;
  std::int64_t retry_at_ms_ = 0;
  std::int64_t stop_begun_ms_ = 0;
  bool start_expected_ = false;
  Notifier changed_;
  std::shared_ptr<VerbLane> lane_ = std::make_shared<VerbLane>();

  // Another generation of the slot, while a reload is under way.
  bool beside_ = false;                ///< it is proven beside the one that serves
  std::weak_ptr<Instance> successor_;  ///< which is proven beside this one
  std::shared_ptr<Instance> heir_;     ///< which has taken this one's place
  std::weak_ptr<Instance> leaving_;    ///< whose place this one has taken

  std::unique_ptr<NotifySocket> notify_socket_;
  std::uint64_t probe_runs_ = 0;
  std::string build_watch_key_;
  std::optional<AppSpec> watched_build_;  ///< for which it is being watched
  std::optional<BuildOnDisk> build_on_disk_;
  std::uint64_t build_changes_ = 0;
  bool failed_for_build_ = false;  ///< in backoff until the build on disk is whole
  bool marked_for_build_ = false;  ///< ill, and left alone until it is
  bool force_build_ = false;       ///< the next launch takes the build as it is
};

using InstancePtr = std::shared_ptr<Instance>;

}  // namespace dixis
