// The end of a tree: nothing of it may be left, and nothing may listen on its port.
#include <csignal>

#include "daemon/run/instance.hpp"
#include "daemon/run/port_check.hpp"
#include "daemon/run/stray.hpp"
#include "daemon/sys/cgroup.hpp"
#include "daemon/sys/reaper.hpp"

namespace dixis {

namespace {

std::string names_of(const std::vector<ProcessFacts>& members) {
  std::string out;
  for (const auto& member : members) {
    if (!out.empty()) out += ", ";
    out += member.comm + " (pid " + std::to_string(member.pid) +
           (member.state == 'D' ? ", in uninterruptible sleep" : "") + ")";
  }
  return out;
}

}  // namespace

void Instance::watch_member(const std::shared_ptr<Generation>& generation,
                            const ProcessFacts& member) {
  if (!generation->watched.insert(member.pid).second) return;
  auto process = open_process(member.pid, member.start_ticks);
  if (!process) return generation->note_tree_change();  // gone already: look again
  const int signal = generation->killing ? SIGKILL : spec_.stop.signal;
  if (generation->asked.insert(member.pid).second) send_signal(*process, signal);
  const auto held = std::make_shared<Process>(std::move(*process));
  spawn([](Services& services, std::shared_ptr<Generation> of,
           std::shared_ptr<Process> watched) -> Task<void> {
    co_await services.reaper.wait_exit(*watched);
    of->watched.erase(watched->pid);
    of->note_tree_change();
  }(services_, generation, held));
}

Task<void> Instance::kill_members(std::shared_ptr<Generation> generation) {
  const auto self = shared_from_this();
  // The number of an adopted leader is free for others once init has reaped it.
  if (!generation->adopted || !has_ended(generation->process)) {
    signal_group(generation->process.pid, SIGKILL);
  }
  // All at once, so that none of them can fork away from it.
  if (!generation->tree.cgroup.empty()) kill_cgroup(generation->tree.cgroup);
  const auto members = co_await services_.trees.members(generation->tree);
  for (const auto& member : members) {
    if (const auto process = open_process(member.pid, member.start_ticks)) {
      send_signal(*process, SIGKILL);
    }
  }
}

Task<void> Instance::sweep(std::shared_ptr<Generation> generation) {
  const auto self = shared_from_this();
  while (true) {
    const auto seen = generation->tree_changes;
    const auto members = co_await services_.trees.members(generation->tree);
    co_await services_.turns.pass();
    if (members.empty()) break;
    if (generation->killing) co_await kill_members(generation);
    for (const auto& member : members) watch_member(generation, member);
    while (generation->tree_changes == seen) co_await generation->tree_changed.wait();
  }
  const bool stays_down = slot_.desired == Desired::down || slot_.halted;
  // What is held serves its heir, or would serve the one that it was proven beside.
  const bool slot_is_empty = !heir_ && !beside_;
  if (stays_down && slot_is_empty) services_.sockets.close(spec_, number_);
  if (stays_down && slot_is_empty && generation->plan.listen && !shares_port()) {
    auto work = [app = spec_.name, listen = *generation->plan.listen] {
      return check_port_released(app, listen);
    };
    auto released = co_await services_.proc_worker.run(std::move(work));
    if (!released) {
      apply(machine::PortHeld{generation->number, released.error().message});
      co_return;
    }
  }
  apply(machine::TreeGone{generation->number});
}

Task<std::string> Instance::survivors(TreeKey tree) {
  const auto members = co_await services_.trees.members(tree);
  co_return names_of(members);
}

Task<Result<void>> Instance::verify_stopped() {
  const auto self = shared_from_this();
  // What turns up of any generation, this slot's or an earlier daemon's.
  auto left = co_await services_.trees.marked(tree_mark_prefix());
  if (!left.empty()) {
    const auto until = std::chrono::steady_clock::now() + stop_deadline();
    co_await end_members(std::move(left), services_.reaper, SIGKILL, until);
    left = co_await services_.trees.marked(tree_mark_prefix());
  }
  if (!left.empty()) co_return Error{"not stopped: still there are " + names_of(left)};
  services_.sockets.close(spec_, number_);
  if (!last_listen_ || shares_port()) co_return Result<void>{};
  auto work = [app = spec_.name, listen = *last_listen_] {
    return check_port_released(app, listen);
  };
  auto released = co_await services_.proc_worker.run(std::move(work));
  co_return released;
}

}  // namespace dixis
