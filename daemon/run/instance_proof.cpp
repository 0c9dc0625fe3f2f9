// The proof: alive, and a listener on its port that belongs to a process of its own tree; where
// there is no port, alive for `start.stable`.
#include <chrono>

#include "daemon/run/instance.hpp"
#include "daemon/run/port_check.hpp"
#include "daemon/sys/clock.hpp"
#include "daemon/sys/fault.hpp"

namespace dixis {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

struct Holders {
  bool own = false;
  std::string listener{};  ///< which of them, in words
  ListenAddress at{};      ///< the same
  std::string stranger{};  ///< who else listens; empty if nobody could be named
};

/// Whose the listeners are. Worker only.
Holders look_at_holders(const std::vector<Listener>& listeners, const TreeKey& tree) {
  Holders out;
  std::vector<pid_t> members;
  for (const auto& member : tree_members(read_process_table(true), tree)) {
    members.push_back(member.pid);
  }
  for (const auto& listener : listeners) {
    if (const auto own = socket_holders(listener.inode, members); !own.empty()) {
      out.own = true;
      out.listener = to_text(listener);
      out.at = {listener.address, listener.port};
      if (own.front() != tree.leader) out.listener += " (pid " + std::to_string(own.front()) + ")";
      return out;
    }
  }
  for (const auto& listener : listeners) {
    out.stranger = holder_text(listener) + " listens on " + to_text(listener);
  }
  return out;
}

std::vector<Listener> only_concerning(std::vector<Listener> listeners,
                                      const ListenAddress& address) {
  std::erase_if(listeners, [&](const Listener& listener) { return !concerns(listener, address); });
  return listeners;
}

std::string seconds(Milliseconds duration) {
  return std::to_string(duration.count() / 1000) + " s";
}

}  // namespace

Task<void> Instance::prove(std::shared_ptr<Generation> generation) {
  const auto self = shared_from_this();
  const auto number = generation->number;
  const auto proving = [&] {
    return runs(number) && slot_.current->phase == machine::Phase::proving;
  };
  if (generation->adopted) co_await restore(generation);
  const bool alive = co_await prove_alive(generation);
  if (!alive || !proving()) co_return;
  if (!generation->health.probes().empty()) {
    const bool well = co_await prove_health(generation);
    if (!well || !proving()) co_return;
    step_done(*generation, "healthy");
    generation->proof += ", healthy";
  }
  const auto build = co_await prove_build(generation);
  if (!proving()) co_return;
  if (!build.empty()) generation->proof += ", " + build;
  if (beside_) {
    const bool fit = co_await prove_beside(generation);
    if (!fit || !proving()) co_return;
  }
  const bool admitted = co_await admit(generation);
  if (!admitted || !proving()) co_return;
  proven(*generation, generation->proof);
  if (!serves(number)) co_return;
  begin_monitoring(generation);
  renew_probes(generation);  // a load may have changed them meanwhile
}

/// Listens on its port; where there is none, is ready as its probes say; where there are none, too,
/// has lived for `start.stable`.
Task<bool> Instance::prove_alive(std::shared_ptr<Generation> generation) {
  if (!generation->held.empty()) co_return co_await prove_held(generation);
  if (generation->plan.listen) co_return co_await prove_port(generation);
  if (!generation->health.probes().empty()) {
    generation->proof = "alive";
    co_return true;
  }
  asio::steady_timer stable(services_.loop, spec_.start.stable);
  co_await stable.async_wait(asio::use_awaitable);
  generation->proof = "alive for " + std::to_string(spec_.start.stable.count()) + " ms";
  co_return !generation->death;
}

Task<bool> Instance::prove_port(std::shared_ptr<Generation> generation) {
  const auto number = generation->number;
  const auto proving = [&] {
    return runs(number) && slot_.current->phase == machine::Phase::proving;
  };
  while (proving()) {
    // In slices, so that a generation that died isn't waited for until the start timeout.
    auto found = co_await services_.listeners.wait(generation->plan.listen->port, 1s);
    if (!proving()) co_return false;
    if (found.empty()) continue;
    const auto proof = co_await look_at_port(generation, std::move(found));
    if (!proving()) co_return false;
    if (proof.proven) {
      step_done(*generation, "listening");
      generation->proof = proof.text;
      generation->found_at = proof.at;
      co_return true;
    }
    if (!proof.text.empty()) {
      not_proven(*generation,
                 "not proven: " + proof.text + ", which is not a process of " + label());
      co_return false;
    }
  }
  co_return false;
}

Task<Instance::PortProof> Instance::look_at_port(std::shared_ptr<Generation> generation,
                                                 std::vector<Listener> listeners) {
  auto concerned = only_concerning(std::move(listeners), *generation->plan.listen);
  if (concerned.empty()) co_return PortProof{};
  auto work = [concerned, tree = generation->tree] { return look_at_holders(concerned, tree); };
  auto holders = co_await services_.proc_worker.run(std::move(work));
  if (holders.own) co_return PortProof{true, "listening on " + holders.listener, holders.at};
  // It may have been closed while we looked; then somebody else holds nothing.
  const auto still = only_concerning(ListenerWatch::on_port(generation->plan.listen->port),
                                     *generation->plan.listen);
  if (still.empty()) co_return PortProof{};
  co_return PortProof{false, holders.stranger, {}};
}

void Instance::mark_flaw(const Generation& generation) {
  if (generation.flaw.empty() || !serves(generation.number)) return;
  apply(machine::Unhealthy{generation.number, generation.flaw, false, boottime_ms()});
}

/// Notes a step of the start, from the exec on.
void Instance::step_done(Generation& generation, const std::string& step) const {
  generation.timeline.push_back({step, boottime_ms() - generation.exec_ms.value_or(boottime_ms())});
}

void Instance::proven(Generation& generation, std::string text) {
  generation.proof = std::move(text);
  step_done(generation, "proven");
  apply(machine::Proven{generation.number});
  mark_flaw(generation);
  if (!runs(generation.number) || slot_.current->phase != machine::Phase::serving) return;
  fault::point("proven");
  write_record(services_.runtime_directory, record_of(generation));
  publish({.type = "proven",
           .generation = generation.number,
           .pid = generation.process.pid,
           .message = generation.flaw.empty() ? generation.proof : generation.flaw});
  spawn(follow_new_build(build_changes_));
  if (!generation.flaw.empty()) spawn(follow_flaw(generation_));
}

/// Ends it; the verb that waits for it is told why.
void Instance::not_proven(const Generation& generation, std::string text, Cause cause) {
  last_failure_ = Failure{generation.number, text, true};
  apply(machine::ProofFailed{generation.number, {cause, std::move(text)}});
}

std::string Instance::why_not_proven(const Generation& generation) const {
  const std::string within = " within its start timeout of " + seconds(spec_.start.timeout);
  if (const auto reason = not_taken(generation); !reason.empty()) {
    return "not proven" + within + reason;
  }
  const bool found = !generation.plan.listen || generation.found_at || !generation.held.empty();
  if (found && !generation.health.complaint().empty()) {
    return "not healthy" + within + ": " + generation.health.complaint();
  }
  if (found) return "not proven" + within;
  return "nothing of its tree listened on port " + std::to_string(generation.plan.listen->port) +
         within;
}

Task<Result<std::string>> Instance::prove_running() {
  const auto self = shared_from_this();
  const auto generation = generation_;
  if (slot_.state == State::unhealthy) {
    co_return Error{"it runs (pid " + std::to_string(generation->process.pid) +
                        "), but is unhealthy: " + slot_.message,
                    "restart it"};
  }
  if (is_stale() && build_on_disk_->complete) {
    co_return Error{"it runs (pid " + std::to_string(generation->process.pid) +
                        "), but serves build " + *generation->build->id + ", and " +
                        *build_on_disk_->id + " is on disk",
                    "restart it"};
  }
  if (!generation->plan.listen) co_return "alive, pid " + std::to_string(generation->process.pid);
  auto listeners = ListenerWatch::on_port(generation->plan.listen->port);
  if (listeners.empty()) {
    co_return Error{"it runs (pid " + std::to_string(generation->process.pid) +
                        "), but nothing listens on port " +
                        std::to_string(generation->plan.listen->port),
                    "restart it"};
  }
  const auto proof = co_await look_at_port(generation, std::move(listeners));
  if (!proof.proven) {
    co_return Error{"it runs, but " + (proof.text.empty() ? "its port is not its own" : proof.text),
                    "stop the other process, then restart this app"};
  }
  const auto answers = co_await probe_now();
  for (const auto& answer : answers) {
    if (!answer.good) {
      co_return Error{"it runs, but " + answer.probe + ": " + answer.message, "restart it"};
    }
  }
  const auto served = co_await prove_build_again(generation);
  if (!served) {
    co_return Error{"it runs (pid " + std::to_string(generation->process.pid) + "), but " +
                    served.error().message};
  }
  co_return "pid " + std::to_string(generation->process.pid) + ": " + proof.text +
      (answers.empty() ? "" : ", healthy") + (served->empty() ? "" : ", " + *served);
}

}  // namespace dixis
