// The verbs on one slot. They say what shall be, and watch the slot until it is, or can't be.
#include "common/json.hpp"
#include "daemon/logs/within.hpp"
#include "daemon/run/instance.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

namespace {

std::string with_hint(const Error& error) {
  return error.hint.empty() ? error.message : error.message + "; " + error.hint;
}

/// The step a slot is at, for the progress line.
std::string step_of(const machine::Slot& slot) {
  if (!slot.current) return json::enum_name(slot.state);
  switch (slot.current->phase) {
    case machine::Phase::launching:
      return "spawning";
    case machine::Phase::proving:
      return "proving";
    case machine::Phase::serving:
      return "proven";
    case machine::Phase::ending:
      break;
  }
  return "stopping";
}

}  // namespace

Outcome Instance::outcome(bool ok, std::string message, std::int64_t begun_ms) const {
  Outcome out;
  out.app = spec_.name;
  out.instance = number_;
  out.ok = ok;
  out.message = std::move(message);
  out.elapsed_ms = boottime_ms() - begun_ms;
  if (generation_ && generation_->process.pid > 0) {
    out.pid = generation_->process.pid;
    out.generation = generation_->number;
  }
  return out;
}

Task<Outcome> Instance::failed_start(std::string message, std::int64_t begun_ms) {
  const auto failure = *last_failure_;
  std::string lines;
  if (failure.ran) lines = co_await last_lines(failure.generation, 10);
  if (slot_.state == State::backoff) message += "; it is tried again";
  if (slot_.state == State::failed) message += "; it isn't tried again: " + slot_.message;
  if (!lines.empty()) message += "; its last lines:\n" + lines;
  co_return outcome(false, std::move(message), begun_ms);
}

Task<Outcome> Instance::await_proven(VerbTicket ticket, std::uint64_t first_generation,
                                     Report report, std::int64_t begun_ms) {
  const auto self = shared_from_this();
  std::string told;
  while (true) {
    if (!ticket->superseded.empty()) {
      co_return outcome(false, "ended early: " + ticket->superseded + " was asked for", begun_ms);
    }
    const auto& current = slot_.current;
    if (current && current->generation >= first_generation &&
        current->phase == machine::Phase::serving) {
      if (!generation_->flaw.empty()) {
        co_return outcome(false,
                          "pid " + std::to_string(generation_->process.pid) +
                              " runs, but is not proven: " + generation_->flaw,
                          begun_ms);
      }
      co_return outcome(
          true, "pid " + std::to_string(generation_->process.pid) + ": " + generation_->proof,
          begun_ms);
    }
    if (last_failure_ && last_failure_->generation >= first_generation) {
      co_return co_await failed_start(last_failure_->message, begun_ms);
    }
    if (slot_.halted) co_return outcome(false, "dixisd is ending", begun_ms);
    if (slot_.state == State::failed) co_return outcome(false, slot_.message, begun_ms);
    if (const auto step = step_of(slot_); step != told) {
      told = step;
      report(step, "");
    }
    // Every phase has a timer of its own (stop, start), so this ends; the client watches the time.
    co_await changed_.wait();
  }
}

Task<Outcome> Instance::start(VerbTicket ticket, Caller /*caller*/, Report report) {
  const auto self = shared_from_this();
  const auto begun = boottime_ms();
  const auto serves = [this] {
    return slot_.current && slot_.current->phase == machine::Phase::serving;
  };
  // One that has died, and whose end is still being looked into, proves nothing.
  while (serves() && has_ended(generation_->process)) co_await changed_.wait();
  if (serves()) {
    const auto proof = co_await prove_running();
    if (serves()) {
      co_return proof ? outcome(true, "runs already, " + *proof, begun)
                      : outcome(false, with_hint(proof.error()), begun);
    }
  }
  const bool under_way =
      slot_.current && !slot_.current->ended_for && slot_.current->phase != machine::Phase::ending;
  const auto first = under_way ? slot_.current->generation : slot_.next_generation;
  apply(machine::Start{});
  auto started = co_await await_proven(ticket, first, report, begun);
  if (started.ok) started.message.insert(0, "started, ");
  co_return started;
}

/// Whether the build on disk may replace what runs; one that is under way is waited for.
Task<std::optional<Error>> Instance::check_build(VerbTicket ticket, LaunchPlan plan,
                                                 Report report) {
  BuildWait wait;
  wait.until = std::chrono::steady_clock::now() + spec_.start.timeout;
  wait.wanted = [ticket] { return ticket->superseded.empty(); };
  wait.report = [report](const std::string& message) { report("preflight", message); };
  const auto build = co_await ready_build(std::move(plan), std::move(wait));
  if (build) co_return std::nullopt;
  co_return build.error();
}

/// What stands in the way of a restart; the old process hasn't been touched.
Task<std::optional<std::string>> Instance::refuse_restart(VerbTicket ticket, RestartOptions options,
                                                          Report report) {
  if (options.force) co_return std::nullopt;
  report("preflight", "");
  PreflightRequest request{options.new_spec.value_or(spec_), {number_, ""}, {}, true};
  request.check_port = request.spec.held.empty();
  if (generation_) request.own = generation_->tree;
  auto ready = co_await preflight_on(services_.slow_worker, std::move(request));
  std::optional<Error> refused;
  if (ready) {
    refused = co_await check_build(ticket, *ready, report);
  } else {
    refused = ready.error();
  }
  if (!refused) co_return std::nullopt;
  const std::string old =
      generation_ && generation_->exec_ms
          ? "; the old process goes on (pid " + std::to_string(generation_->process.pid) + ")"
          : "";
  co_return "not restarted: " + with_hint(*refused) + old;
}

Task<Outcome> Instance::restart(VerbTicket ticket, RestartOptions options, Report report) {
  const auto self = shared_from_this();
  const auto begun = boottime_ms();
  const auto refused = co_await refuse_restart(ticket, options, report);
  if (refused) co_return outcome(false, *refused, begun);
  if (!ticket->superseded.empty()) {
    co_return outcome(false, "ended early: " + ticket->superseded + " was asked for", begun);
  }
  force_build_ = options.force;
  const auto first = slot_.next_generation;
  if (options.new_spec) spec_ = std::move(*options.new_spec);
  apply(machine::Restart{options.reason});
  auto restarted = co_await await_proven(ticket, first, report, begun);
  if (restarted.ok) restarted.message.insert(0, "restarted, ");
  co_return restarted;
}

Task<Outcome> Instance::finish_restart(VerbTicket ticket, RestartOptions options,
                                       std::uint64_t first, Report report) {
  const auto self = shared_from_this();
  const auto begun = boottime_ms();
  // Not on its way out, as far as anybody can tell.
  const auto old_runs = [this, first] {
    return slot_.current && slot_.current->generation < first && !slot_.current->ended_for &&
           slot_.current->phase != machine::Phase::ending;
  };
  const auto new_serves = [this, first] {
    return slot_.current && slot_.current->generation >= first &&
           slot_.current->phase == machine::Phase::serving;
  };
  if (old_runs()) {
    const auto refused = co_await refuse_restart(ticket, options, report);
    if (refused && old_runs()) co_return outcome(false, *refused, begun);
  }
  while (new_serves() && has_ended(generation_->process)) co_await changed_.wait();
  if (new_serves()) {
    const auto proof = co_await prove_running();
    if (new_serves()) {
      co_return proof ? outcome(true, "restarted, " + *proof, begun)
                      : outcome(false, with_hint(proof.error()), begun);
    }
  }
  if (!ticket->superseded.empty()) {
    co_return outcome(false, "ended early: " + ticket->superseded + " was asked for", begun);
  }
  force_build_ = options.force;
  if (old_runs()) {
    apply(machine::Restart{options.reason});
  } else {
    apply(machine::Start{});  // what follows the old one, if nothing does yet
  }
  auto restarted = co_await await_proven(ticket, first, report, begun);
  if (restarted.ok) restarted.message.insert(0, "restarted, ");
  co_return restarted;
}

Task<Outcome> Instance::stop(VerbTicket /*ticket*/, machine::Reason reason, Report report) {
  const auto self = shared_from_this();
  const auto begun = boottime_ms();
  const bool was_down = !slot_.current;
  start_expected_ = false;
  apply(machine::Stop{reason});
  const auto deadline = std::chrono::steady_clock::now() + stop_deadline();
  if (slot_.current) report("stopping", "");
  while (slot_.current) {
    const auto left =
        std::chrono::duration_cast<Milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= Milliseconds(0)) {
      const TreeKey tree = generation_ ? generation_->tree : TreeKey{};
      auto looking = survivors(tree);
      const auto found = co_await within(std::chrono::seconds(1), std::move(looking));
      const std::string names = !found           ? "unknown: /proc doesn't answer"
                                : found->empty() ? "nothing visible"
                                                 : *found;
      co_return outcome(false, "did not stop; left are: " + names, begun);
    }
    co_await changed_.wait(left);
  }
  if (slot_.state == State::failed) co_return outcome(false, slot_.message, begun);
  auto verifying = verify_stopped();
  const auto verified = co_await within(std::chrono::seconds(4), std::move(verifying));
  if (!verified) co_return outcome(false, "stopped, but /proc doesn't answer: not verified", begun);
  if (!*verified) co_return outcome(false, with_hint(verified->error()), begun);
  if (was_down)
    co_return outcome(true,
                      last_listen_ ? "stopped already; its tree is gone, its port is free"
                                   : "stopped already; its tree is gone",
                      begun);
  const std::string how = last_death_ && last_death_->escalated
                              ? "stopped; it had to be killed after its stop timeout"
                              : "stopped";
  co_return outcome(true, how, begun);
}

}  // namespace dixis
