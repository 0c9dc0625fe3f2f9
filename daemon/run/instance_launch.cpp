// From launch to death: preflight, spawn behind the gate, and the watch over the leader.
#include <csignal>
#include <sys/resource.h>
#include <unistd.h>
#include <utility>

#include "common/death.hpp"
#include "daemon/model/words.hpp"
#include "daemon/run/instance.hpp"
#include "daemon/run/log_settings_of.hpp"
#include "daemon/run/spec_digest.hpp"
#include "daemon/sys/clock.hpp"
#include "daemon/sys/fault.hpp"
#include "daemon/sys/spawn.hpp"

namespace dixis {

namespace {

std::string with_hint(const Error& error) {
  return error.hint.empty() ? error.message : error.message + " (" + error.hint + ")";
}

/// The limits of a child: the app's own, and files as they were before dixisd raised its own.
std::vector<SpawnLimit> spawn_limits(const AppSpec& spec) {
  std::vector<SpawnLimit> out;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  out.push_back({RLIMIT_NOFILE, std::min<rlim_t>(1024, files.rlim_max), files.rlim_max});
  for (const auto& limit : spec.limits) out.push_back({limit.resource, limit.value, limit.value});
  return out;
}

SpawnRequest spawn_request(const AppSpec& spec, const LaunchPlan& plan, const CaptureEnds& ends) {
  SpawnRequest out;
  out.executable = plan.executable;
  out.argv = plan.argv;
  out.environment = to_envp(plan.environment);
  out.cwd = spec.cwd.string();
  out.credentials = plan.credentials;
  out.umask = spec.umask;
  out.nice = spec.nice;
  out.limits = spawn_limits(spec);
  out.stdout_fd = ends.out.get();
  out.stderr_fd = ends.err.get();
  return out;
}

std::string hex(std::uint64_t value) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(value));
  return text.data();
}

}  // namespace

std::string Instance::tree_mark_prefix() const {
  // Two daemons on one machine have two runtime directories.
  const auto where = std::hash<std::string>{}(services_.runtime_directory.string());
  return hex(where) + "/" + spec_.name + "/" + std::to_string(number_) + "/";
}

std::string Instance::tree_mark(std::uint64_t number) const {
  return tree_mark_prefix() + std::to_string(number) + "@" + std::to_string(boottime_ms());
}

Task<void> Instance::launch(std::uint64_t number) {
  const auto self = shared_from_this();
  const auto place = co_await services_.launches.enter();
  if (!runs(number)) co_return;
  expect_start(false);
  const auto generation = std::make_shared<Generation>();
  generation->number = number;
  generation->begun_ms = boottime_ms();
  generation->tree.mark = tree_mark(number);
  generation_ = generation;

  auto ready = co_await spawn_generation(generation);
  if (ready) {
    publish({.type = "spawned",
             .generation = number,
             .pid = generation->process.pid,
             .message = "pid " + std::to_string(generation->process.pid)});
    apply(machine::Launched{number});
    spawn(watch(generation));
    co_return;
  }
  generation_.reset();
  forget_kept(number);
  last_failure_ = Failure{number, with_hint(ready.error()), false};
  publish({.type = "warning", .generation = number, .message = with_hint(ready.error())});
  apply(machine::LaunchFailed{number, with_hint(ready.error())});
}

/// The build that a launch starts. A build that is under way is waited for, however long it takes:
/// nothing else can come up; where it was broken off, the next attempt comes as after a death.
Task<Result<std::optional<BuildOnDisk>>> Instance::launchable_build(LaunchPlan plan) {
  watch_build(plan.credentials);
  BuildWait wait;
  wait.until = std::chrono::steady_clock::time_point::max();
  wait.wanted = [this] { return slot_.current && !slot_.current->ended_for; };
  wait.report = [this](const std::string& message) { slot_.message = message; };
  wait.force = std::exchange(force_build_, false);
  auto build = co_await ready_build(std::move(plan), std::move(wait));
  failed_for_build_ = !build;
  if (build) slot_.message.clear();
  co_return build;
}

Task<Result<void>> Instance::spawn_generation(std::shared_ptr<Generation> generation) {
  const AppSpec request_spec = spec_;
  PreflightRequest request{
      request_spec, {number_, generation->tree.mark}, {}, request_spec.held.empty()};
  auto plan = co_await preflight_on(services_.slow_worker, std::move(request));
  if (!plan) {
    spawn(watch_unlaunched_build());
    co_return plan.error();
  }
  auto build = co_await launchable_build(*plan);
  if (!build) co_return build.error();
  generation->spec_digest = spec_digest(request_spec);
  generation->plan = std::move(*plan);
  generation->build = std::move(*build);
  generation->health = HealthBook(probes_of(*generation));
  const auto ready = co_await prepare_sockets(generation);
  if (!ready) co_return ready.error();
  last_argv_ = generation->plan.argv;
  last_listen_ = generation->plan.listen;
  generation->timeline = std::exchange(last_timeline_, {});
  generation->timeline.push_back({"preflight", boottime_ms() - generation->begun_ms});

  // A stop or another restart came meanwhile: nothing is run only to be ended.
  if (slot_.current->ended_for) co_return Error{"not started: " + slot_.current->ended_for->detail};
  if (auto notify = open_notify_socket(*generation); !notify) co_return notify.error();
  auto ends = services_.capture.open(log_source(generation->number), log_settings_of(spec_));
  if (!ends) co_return ends.error();
  if (const auto& user = generation->plan.credentials) {
    // So that the app may open /dev/stdout by name. Without it, it writes all the same.
    [[maybe_unused]] const int out = ::fchown(ends->out.get(), user->uid, user->gid);
    [[maybe_unused]] const int err = ::fchown(ends->err.get(), user->uid, user->gid);
  }
  const auto spawn_begun = boottime_ms();
  auto child_request = spawn_request(spec_, generation->plan, *ends);
  child_request.passed_fds = generation->passed;
  child_request.tell_pid = !generation->passed.empty();
  auto child = spawn_gated(child_request);
  generation->passed.clear();
  generation->own_listener.reset();
  if (!child) {
    co_return Error{"cannot start " + label() + ": " +
                    dixis::describe(child.error(), child_request)};
  }
  services_.reaper.hold(child->process.pid);
  keep_pipes(generation->number);
  ends = Error{};  // our copies go, so that the pipes end with the app

  generation->tree.leader = child->process.pid;
  generation->tree.leader_start_ticks = child->process.start_ticks;
  auto record = record_of(*generation);
  record.pid = child->process.pid;
  record.start_ticks = child->process.start_ticks;
  fault::point("record-missing");
  const auto recorded = write_record(services_.runtime_directory, record);
  if (!recorded) {
    co_await discard(std::move(*child));
    co_return recorded.error();
  }
  fault::point("gated");
  co_await enter_scope(generation, child->process.pid);
  if (!generation->tree.cgroup.empty()) {
    record.cgroup = generation->tree.cgroup;
    write_record(services_.runtime_directory, record);
  }
  watch_death(generation);
  co_await services_.keeper.stored();
  fault::point("gate-closed");
  const auto failure = co_await open_gate(*child);
  if (failure) {
    forget_death(*generation);
    co_await discard(std::move(*child));
    remove_record(services_.runtime_directory, spec_.name, number_, generation->number);
    co_return Error{"cannot start " + label() + ": " + dixis::describe(*failure, child_request)};
  }
  generation->process = std::move(child->process);
  generation->exec_ms = boottime_ms();
  generation->timeline.push_back({"spawn", *generation->exec_ms - spawn_begun});
  co_return Result<void>{};
}

/// Ends a child that never became the app: without its gate it exits.
Task<void> Instance::discard(GatedChild child) {
  child.gate.reset();
  co_await services_.reaper.wait_exit(child.process);
  services_.reaper.release(child.process.pid);
}

Task<void> Instance::watch(std::shared_ptr<Generation> generation) {
  const auto self = shared_from_this();
  const auto status = co_await services_.reaper.wait_exit(generation->process);
  co_await services_.turns.pass();
  const auto death = explained(*generation, status);
  if (!slot_.current->proven_at_ms && !slot_.current->ended_for) {
    last_failure_ = Failure{generation->number,
                            death.message + " before it was proven" + not_taken(*generation), true};
  }
  generation->death = death;
  last_death_ = death;
  publish({.type = "death",
           .generation = generation->number,
           .pid = generation->process.pid,
           .death = death,
           .message = death.message});
  const auto code = death.how == How::exited && death.code
                        ? std::optional(static_cast<int>(*death.code))
                        : std::nullopt;
  apply(machine::LeaderDied{generation->number, code});
}

Death Instance::make_death(const Generation& generation, const ExitStatus& status) const {
  const auto& life = *slot_.current;
  Death out;
  out.generation = generation.number;
  out.at = wall_clock_now();
  if (generation.exec_ms) out.lived_ms = boottime_ms() - *generation.exec_ms;
  out.core_dumped = status.core_dumped;
  if (status.signal) {
    out.how = How::signaled;
    out.signal = signal_name(*status.signal);
  } else if (status.code) {
    out.how = How::exited;
    out.code = *status.code;
    out.cause = Cause::itself;
  }
  if (out.how == How::lost) {
    out.detail = "it was started by an earlier dixisd, and only a parent gets an exit status";
  }
  if (life.ended_for) {
    out.cause = life.ended_for->cause;
    out.detail = life.ended_for->detail;
    out.escalated = life.escalated && status.signal == SIGKILL;
  }
  return out;
}

GenerationRecord Instance::record_of(const Generation& generation) const {
  GenerationRecord out;
  out.app = spec_.name;
  out.instance = number_;
  out.generation = generation.number;
  out.pid = generation.process.pid;
  out.start_ticks = generation.process.start_ticks;
  out.boot_id = services_.boot;
  out.tree_mark = generation.tree.mark;
  out.phase = !generation.exec_ms                                      ? Phase::gated
              : runs(generation.number) && slot_.current->proven_at_ms ? Phase::online
                                                                       : Phase::starting;
  out.restarts = slot_.restarts;
  out.consecutive_failures = slot_.failures;
  out.started_boot_ms = generation.exec_ms.value_or(boottime_ms());
  out.started_at = wall_clock_now();
  if (generation.plan.listen) {
    out.port = generation.plan.listen->port;
    out.host = generation.plan.listen->host;
  }
  if (generation.build) out.build = generation.build->id;
  out.spec_digest = generation.spec_digest;
  out.cgroup = generation.tree.cgroup;
  if (generation.took != Took::nothing) {
    out.took = generation.took == Took::adopter ? "adopter" : "itself";
  }
  return out;
}

}  // namespace dixis
