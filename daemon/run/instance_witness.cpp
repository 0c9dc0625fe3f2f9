// What is seen of a generation from outside: its end and its cause, and strangers in its tree.
#include "common/death.hpp"
#include "daemon/model/words.hpp"
#include "daemon/run/death_cause.hpp"
#include "daemon/run/instance.hpp"
#include "daemon/sys/cgroup.hpp"
#include "daemon/sys/clock.hpp"
#include "daemon/sys/core_file.hpp"

namespace dixis {

namespace {

constexpr std::string_view kCgroupRoot = "/sys/fs/cgroup";

std::string cgroup_name(const std::string& directory) {
  return directory.starts_with(kCgroupRoot) ? directory.substr(kCgroupRoot.size()) : directory;
}

/// The processes of a tree, as cheaply as that goes. Worker only.
std::vector<pid_t> pids_of(const TreeKey& tree) {
  if (!tree.cgroup.empty()) return cgroup_processes(tree.cgroup);
  std::vector<pid_t> out;
  for (const auto& member : descendants(tree.leader)) out.push_back(member.pid);
  return out;
}

}  // namespace

/// From now on what happens to it is noted. Before its gate opens, so that nothing is missed.
void Instance::watch_death(const std::shared_ptr<Generation>& generation) {
  services_.witness.watch(generation->process.pid > 0 ? generation->process.pid
                                                      : generation->tree.leader);
  if (generation->tree.cgroup.empty()) return;
  auto told = [weak = weak_from_this(), number = generation->number] {
    const auto self = weak.lock();
    if (self && self->runs(number)) self->tell_oom(*self->generation_);
  };
  generation->memory = services_.oom.watch(generation->tree.cgroup, std::move(told));
}

void Instance::forget_death(const Generation& generation) {
  services_.witness.forget(generation.tree.leader);
  if (generation.memory) services_.oom.unwatch(generation.memory);
}

/// A process of it was killed for memory; it may go on without.
void Instance::tell_oom(const Generation& generation) const {
  publish({.type = "warning",
           .generation = generation.number,
           .pid = generation.process.pid,
           .message = "out of memory in its own limit: " +
                      oom_words(*generation.memory, generation.memory->kills())});
}

void Instance::note_signal(int signal, const std::string& by) {
  if (!generation_) return;
  generation_->own_signal = signal_name(signal);
  generation_->own_signal_by = by;
}

Death Instance::explained(const Generation& generation, const ExitStatus& waited) const {
  services_.witness.look();
  if (generation.memory) generation.memory->refresh();
  Ended ended;
  ended.pid = generation.process.pid;
  ended.begun_ms = ticks_to_ms(generation.process.start_ticks);
  ended.at_ms = boottime_ms();
  ended.cgroup = cgroup_name(generation.tree.cgroup);
  ended.memory = generation.memory.get();
  ended.stop_timeout_ms = spec_.stop.timeout.count();
  const auto status = waited.known ? waited : seen_status(services_.witness.seen(), ended);
  auto death = make_death(generation, status);
  if (death.signal && death.signal == generation.own_signal) {
    ended.own_signal = generation.own_signal_by;
  }
  if (!slot_.current->ended_for) find_cause(death, services_.witness.seen(), ended);
  if (death.core_dumped) {
    const auto core = core_words(ended.pid, spec_.cwd.string());
    if (!core.empty()) death.detail += (death.detail.empty() ? "" : "; ") + core;
  }
  death.message = death_message(death);
  return death;
}

/// The end of one that nobody watched: the kernel may have noted it all the same.
Death Instance::lost_death(const GenerationRecord& record) const {
  Ended ended;
  ended.pid = static_cast<pid_t>(record.pid);
  ended.begun_ms = ticks_to_ms(record.start_ticks);
  ended.at_ms = boottime_ms();
  ended.cgroup = cgroup_name(record.cgroup);
  ended.stop_timeout_ms = ended.at_ms;  // when it was is unknown
  Death out;
  out.at = wall_clock_now();
  out.generation = record.generation;
  const auto status = seen_status(services_.witness.seen(), ended);
  if (status.signal) {
    out.how = How::signaled;
    out.signal = signal_name(*status.signal);
    out.core_dumped = status.core_dumped;
  } else if (status.code) {
    out.how = How::exited;
    out.code = *status.code;
    out.cause = Cause::itself;
  }
  find_cause(out, services_.witness.seen(), ended);
  if (out.how != How::lost) {
    out.detail += (out.detail.empty() ? "" : "; ") + std::string("no daemon was watching then");
  }
  out.message = death_message(out);
  return out;
}

void Instance::tell_strangers(const std::vector<Stranger>& found) {
  if (!generation_) return;
  for (const auto& one : found) {
    if (!generation_->strangers.insert(one.exe).second) continue;
    publish({.type = "stranger",
             .generation = generation_->number,
             .pid = one.pid,
             .message = "a stranger in its tree: " + one.exe + " (pid " + std::to_string(one.pid) +
                        "): " + one.why});
  }
}

Task<void> Instance::look_for_strangers(std::vector<pid_t> pids) {
  const auto self = shared_from_this();
  const auto generation = generation_;
  if (!generation || !generation->exec_ms) co_return;
  auto work = [pids = std::move(pids), tree = generation->tree, cwd = spec_.cwd.string(),
               executable = generation->plan.executable]() mutable {
    if (pids.empty()) pids = pids_of(tree);
    return find_strangers(pids, home_of(tree.leader, executable, cwd));
  };
  const auto found = co_await services_.proc_worker.run(std::move(work));
  if (runs(generation->number)) tell_strangers(found);
}

void Instance::program_started(pid_t pid) {
  spawn(look_for_strangers({pid}));
}

}  // namespace dixis
