#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/run/handover.hpp"
#include "daemon/run/scales.hpp"
#include "daemon/run/services.hpp"
#include "daemon/run/supervisor.hpp"
#include "daemon/run/targets.hpp"

namespace dixis {

/// The supervisor's inside, over several files: verbs (supervisor_verbs.cpp), configuration
/// (supervisor_load.cpp), what it shows (supervisor_views.cpp), what a predecessor had under way
/// (supervisor_operations.cpp).
struct Supervisor::Impl {
  Impl(boost::asio::io_context& loop, Directories where, Config config);

  Directories directories;
  Config config;  ///< what shall be; `apps` follows it, app by app
  Services services;
  Apps apps;
  std::int64_t started_ms;
  OperationBook operations;
  std::optional<std::string> predecessor{};
  std::uint64_t next_operation = 1;
  bool ending = false;
  Throttle loads{1};  ///< one at a time
  /// Slots without a record after one couldn't be read: nothing is started beside what may live.
  std::set<InstancePtr> suspects{};
  std::set<std::string> leaving{};  ///< apps that a load takes away: nothing starts them any more
  std::map<std::string, std::weak_ptr<Throttle>>
      config_turns{};  ///< one change of an app at a time
  Notifier shutdown_request{};
  Scales scales;
  std::vector<std::weak_ptr<Instance>> beside{};  ///< generations without a slot of their own

  /// What is remembered of the last look at /proc, for CPU in percent.
  struct CpuSample {
    std::uint64_t generation = 0;
    std::int64_t at_ms = 0;
    std::uint64_t cpu_us = 0;
  };
  std::map<std::string, CpuSample> cpu_samples{};

  void add_app(const AppSpec& spec);
  void program_started(pid_t pid, pid_t leader) const;
  Desired desired_of(const Instance& instance) const;

  // Start at boot.
  Task<void> take_back();
  /// A tree that a predecessor left, to be ended before anything starts.
  struct Stray {
    GenerationRecord record{};  ///< goes last: another crash must not make anybody forget the tree
    TreeKey tree{};
    Milliseconds grace{};
    InstancePtr lost_by{};  ///< the slot whose generation this was
  };
  void forget(const GenerationRecord& record) const;
  Task<void> adopt_record(GenerationRecord record, std::uint64_t serving,
                          std::vector<Stray>& strays);
  Task<void> hold_sockets();
  Task<void> boot(std::vector<Stray> strays, std::vector<KnownOperation> unfinished);
  void suspect_slots();
  Task<bool> held_back(InstancePtr instance);
  void begin_boot();
  void recall_slots();
  void take_up_slots(const std::vector<Stray>& strays);
  Task<bool> runs_still(GenerationRecord record);
  InstancePtr slot_for(const GenerationRecord& record) const;
  Task<void> settle_deaths();
  Task<std::optional<DeathRecord>> last_death(InstancePtr instance);

  // Verbs.
  using Body = std::function<Task<Outcome>(Target target, Instance::Report report)>;
  using Changes = std::map<std::string, std::optional<Desired>>;
  OperationPtr new_operation(Milliseconds deadline, const Caller& caller);
  OperationPtr accept(const std::vector<Target>& targets, Milliseconds deadline,
                      const Caller& caller, bool force, std::string file = {});
  OperationPtr run_verb(std::vector<Target> targets, Changes changes, Milliseconds deadline,
                        Body body, const Caller& caller, bool force = false);
  Task<void> carry_out(OperationPtr operation, std::vector<Target> targets, Changes changes,
                       Body body);
  Changes desired_changes(const std::vector<Target>& targets, Desired desired) const;
  OperationPtr start(std::vector<Target> targets, Caller caller);
  OperationPtr stop(std::vector<Target> targets, Caller caller);
  OperationPtr restart(std::vector<Target> targets, bool force, Caller caller);
  Task<Outcome> start_one(Target target, Caller caller, Instance::Report report);
  /// By app: the slots of a stop that stop before it, because they come after it.
  using Successors = std::shared_ptr<const std::multimap<std::string, InstancePtr>>;
  Successors successors_of(const std::vector<Target>& targets) const;
  Task<Outcome> stop_one(Target target, Successors successors, machine::Reason reason,
                         Instance::Report report);
  Task<Outcome> restart_one(Target target, Instance::RestartOptions options,
                            Instance::Report report);
  static Task<Outcome> in_lane(InstancePtr instance, VerbKind kind, bool joinable,
                               Instance::Report report, VerbLane::Body body);
  void restart_for_build(const InstancePtr& slot, const std::string& why);
  void restart_for_memory(const InstancePtr& slot, const std::string& why);
  Task<void> await_predecessors(InstancePtr waiting, Instance::Report report);
  /// Those that wait for what `instance` starts after look again.
  void withdraw_start(Instance& instance);
  std::vector<std::string> after_of(const std::string& app) const;
  Milliseconds start_deadline(const std::string& app) const;
  Milliseconds lane_deadline(const Target& target) const;

  // What a predecessor had under way.
  void reserve_generations(const KnownOperation& unfinished) const;
  Task<void> remember_again(const std::vector<KnownOperation>& unfinished);
  void resume(const KnownOperation& unfinished);
  void resume_verb(const KnownOperation& unfinished);
  Task<Outcome> resume_one(Target target, OperationRecord record, std::uint64_t first,
                           Instance::Report report);
  Task<void> resume_change(KnownOperation unfinished);
  Task<Outcome> resume_item(PlanItem item, OperationRecord record, Instance::Report report);
  Task<Outcome> resume_restart(Target target, machine::Reason reason, bool force,
                               std::uint64_t first, Instance::Report report);
  std::vector<Target> targets_of(const OperationRecord& record, const std::string& app = {}) const;
  // Reloads (supervisor_reload.cpp).
  OperationPtr reload(std::vector<Target> targets, bool or_restart, Caller caller);
  Task<Outcome> reload_one(Target target, Instance::ReloadOptions options, Instance::Report report);
  Task<Outcome> reload_in_turn(Target target, Instance::ReloadOptions options,
                               std::shared_ptr<void> all, Instance::Report report);
  Task<Outcome> reload_for_build(Target target, machine::Reason reason, Instance::Report report);
  Task<Outcome> resume_reload(Target target, machine::Reason reason, bool or_restart,
                              std::uint64_t first, Instance::Report report);
  Milliseconds reload_deadline(const Target& target) const;
  void take_place(const InstancePtr& old, const InstancePtr& heir);
  std::vector<InstancePtr> besides();
  Task<void> halt_besides();
  using SlotName = std::pair<std::string, std::uint32_t>;
  std::map<SlotName, std::uint64_t> serving_generations(
      const std::vector<GenerationRecord>& records) const;
  void retire_record(GenerationRecord record, Process process);
  static Outcome refused_as_leaving(const InstancePtr& instance);
  // Upgrade (supervisor_upgrade.cpp).
  UpgradeTerms upgrade_terms{};
  Throttle upgrades{1};  ///< one at a time
  Task<Result<std::string>> probe_candidate(int image, Handover handover);
  Task<void> quiesce();
  std::vector<std::string> arguments(const std::filesystem::path& program) const;

  // Scaling (supervisor_scale.cpp).
  OperationPtr scale(const std::string& app, std::uint32_t instances, Caller caller);
  Task<void> carry_out_scale(OperationPtr operation, std::string app, std::uint32_t instances,
                             Caller caller);
  Task<Outcome> change_scale(std::string app, std::uint32_t instances, Caller caller,
                             Instance::Report report, VerbResult& result);

  // Configuration.
  Task<LoadReport> load(std::filesystem::path file, bool dry_run, Caller caller,
                        OperationPtr operation);
  void carry_out_plan(OperationPtr operation, std::vector<PlanItem> plan, Config next,
                      Caller caller);
  using ItemBody = std::function<Task<Outcome>(PlanItem item, Instance::Report report)>;
  Task<void> carry_out_items(OperationPtr operation, std::vector<PlanItem> plan, ItemBody body);
  Milliseconds load_deadline() const;
  std::vector<Target> slots_of(const std::string& app) const;
  std::shared_ptr<Throttle> config_turn(const std::string& app);
  Task<Outcome> carry_out_item(PlanItem item, Caller caller, Instance::Report report);
  Task<Outcome> start_added(std::string app, Caller caller);
  Task<Outcome> take_away(std::string app, Outcome stopped);
  Task<Outcome> replace(AppSpec spec, Caller caller, Instance::Report report);
  Task<Outcome> resize(AppSpec spec, Caller caller, Instance::Report report);

  void tell_log_places() const;

  // Views.
  Task<std::vector<InstanceStatus>> statuses(std::vector<Target> targets);
  Task<Description> describe(Target target);
};

}  // namespace dixis
