// The reload of one slot: a successor is started and proven beside the generation that serves, let
// in, and takes the slot's place; then the old one is drained and stopped.
#include "daemon/logs/within.hpp"
#include "daemon/run/instance.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

namespace {

/// Nothing comes after a generation that is on its way out, or that never was let in.
AppSpec without_restarts(AppSpec spec) {
  spec.restart.on = RestartPolicy::On::never;
  return spec;
}

std::string with_hint(const Error& error) {
  return error.hint.empty() ? error.message : error.message + "; " + error.hint;
}

}  // namespace

InstancePtr Instance::latest() {
  auto out = shared_from_this();
  while (out->heir_) out = out->heir_;
  return out;
}

void Instance::wake_all() {
  changed_.notify_all();
  if (generation_ && generation_->adopter) generation_->adopter->changed().notify_all();
  if (const auto successor = successor_.lock()) successor->changed_.notify_all();
  if (const auto old = leaving_.lock()) old->wake_all();
}

/// Why what serves can't be replaced without a gap. nullopt: it can, or nothing serves.
std::optional<std::string> Instance::why_no_reload(const AppSpec& next) const {
  if (!generation_ || !serves(generation_->number)) return std::nullopt;
  if (generation_->took == Took::adopter && !next.held.empty()) return std::nullopt;
  if (generation_->held.empty() || next.held.empty()) {
    return "dixisd holds no socket for it: two processes can't share its port (`listen`)";
  }
  return "it takes its socket by LISTEN_FDS itself: a new process can't be proven before it serves";
}

void Instance::begin_beside(Instance& old) {
  beside_ = true;
  lane_ = old.lane_;
  slot_.next_generation = old.slot_.next_generation++;
  slot_.restarts = old.slot_.restarts;
  last_death_ = old.last_death_;
  last_record_ = old.last_record_;
  apply(machine::Start{});
}

/// What else a successor has to show: the old process serves well enough to wait for a better one.
Task<bool> Instance::prove_beside(std::shared_ptr<Generation> generation) {
  std::string wrong = generation->flaw;
  if (wrong.empty()) {
    auto warming = warm_up(generation);
    wrong = (co_await std::move(warming)).value_or("");
  }
  if (wrong.empty()) co_return true;
  not_proven(*generation, "not proven: " + wrong);
  co_return false;
}

/// Ends a successor that was not let in.
Task<void> Instance::withdraw(machine::Reason reason) {
  const auto self = shared_from_this();
  apply(machine::Stop{std::move(reason)});
  const auto until = std::chrono::steady_clock::now() + stop_deadline();
  while (slot_.current && std::chrono::steady_clock::now() < until) {
    co_await changed_.wait(std::chrono::milliseconds(500));
  }
}

/// From now on `heir` is the slot's instance. What remains here only lives out its connections.
void Instance::hand_over(const InstancePtr& heir) {
  heir_ = heir;
  successor_.reset();
  heir->beside_ = false;
  heir->leaving_ = shared_from_this();
  services_.sockets.set_live(heir->spec_, number_, true);  // the old one may have died meanwhile
  heir->slot_.next_generation = std::max(heir->slot_.next_generation, slot_.next_generation);
  set_spec(without_restarts(spec_));
  auto record = record_of(*generation_);
  record.phase = Phase::stopping;
  record.pending_verb = "reload";
  write_record(services_.runtime_directory, record);
  heir->note_slot();
  changed_.notify_all();
}

/// Waits until its connections have ended, at most for `reload.drain`. Gives how many are left.
Task<std::int64_t> Instance::drain(std::function<bool()> goes_on, Report report) {
  const auto self = shared_from_this();
  const auto generation = generation_;
  if (!generation || !generation->adopter || generation->took != Took::adopter) co_return 0;
  auto& adopter = *generation->adopter;
  adopter.drain();
  const auto until = std::chrono::steady_clock::now() + spec_.reload.drain;
  std::int64_t told = -1;
  while (goes_on() && !generation->death) {
    const auto& state = adopter.state();
    if (state.left && state.open == 0) co_return 0;
    const auto left = std::chrono::ceil<Milliseconds>(until - std::chrono::steady_clock::now());
    if (left <= Milliseconds(0)) break;
    if (state.left && state.open != std::exchange(told, state.open)) {
      report("draining", std::to_string(state.open) + " connections left");
    }
    co_await adopter.changed().wait(std::min(left, Milliseconds(1000)));
  }
  co_return generation->death ? 0 : adopter.state().open;
}

Task<void> Instance::drain_out(Report report) {
  const auto self = shared_from_this();
  services_.sockets.set_live(spec_, number_, false);
  const auto goes_on = [self] { return !self->slot_.halted; };
  auto draining = drain(goes_on, report);
  co_await std::move(draining);
}

/// Drains it and stops it. Its place has been taken.
Task<std::int64_t> Instance::retire(machine::Reason reason, std::function<bool()> goes_on,
                                    Report report) {
  const auto self = shared_from_this();
  report("draining", "");
  auto draining = drain(goes_on, report);
  const auto left = co_await std::move(draining);
  report("stopping", "the old process");
  co_await withdraw(std::move(reason));
  if (const auto heir = heir_) {
    heir->last_death_ = last_death_;
    heir->leaving_.reset();
    heir->changed_.notify_all();
  }
  co_return left;
}

/// A predecessor of this daemon was draining it.
Task<void> Instance::finish_retiring(InstancePtr heir) {
  const auto self = shared_from_this();
  hand_over(heir);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (generation_ && !generation_->adopter && std::chrono::steady_clock::now() < until) {
    co_await changed_.wait(std::chrono::milliseconds(100));
  }
  const auto goes_on = [] { return true; };
  const auto report = [](const std::string&, const std::string&) {};
  auto retiring = retire({Cause::verb, "a reload that was under way"}, goes_on, report);
  co_await std::move(retiring);
}

Task<Outcome> Instance::not_reloaded(InstancePtr successor, std::string why,
                                     std::int64_t begun_ms) {
  std::string lines;
  if (successor && successor->last_failure_ && successor->last_failure_->ran) {
    auto reading = successor->last_lines(successor->last_failure_->generation, 10);
    lines = co_await std::move(reading);
  }
  std::string message = "not reloaded: " + why;
  if (generation_ && serves(generation_->number)) {
    message += "; the old process goes on (pid " + std::to_string(generation_->process.pid) + ")";
  }
  if (!lines.empty()) message += "; the last lines of the new one:\n" + lines;
  co_return outcome(false, std::move(message), begun_ms);
}

Task<Outcome> Instance::reload(VerbTicket ticket, ReloadOptions options, Report report) {
  const auto self = shared_from_this();
  const auto begun = boottime_ms();
  const AppSpec spec = options.new_spec.value_or(spec_);
  const bool serving = generation_ && serves(generation_->number);
  const auto why_not = why_no_reload(spec);
  if (why_not && !options.or_restart) {
    co_return outcome(false,
                      "nothing done: a reload is a restart for this app, because " + *why_not +
                          "; with --or-restart it is restarted",
                      begun);
  }
  if (why_not || !serving) {
    RestartOptions restarting{options.reason, false, options.new_spec};
    auto restarted = restart(ticket, std::move(restarting), report);
    auto out = co_await std::move(restarted);
    if (why_not) out.message += " (a reload is a restart for this app: " + *why_not + ")";
    co_return out;
  }

  report("preflight", "");
  PreflightRequest request{spec, {number_, ""}, {}, false};
  auto checking = preflight_on(services_.slow_worker, std::move(request));
  auto plan = co_await std::move(checking);
  if (!plan) {
    auto telling = not_reloaded(nullptr, with_hint(plan.error()), begun);
    co_return co_await std::move(telling);
  }
  auto build_check = check_build(ticket, *plan, report);
  const auto refused = co_await std::move(build_check);
  if (refused) {
    auto telling = not_reloaded(nullptr, with_hint(*refused), begun);
    co_return co_await std::move(telling);
  }

  const auto ended_early = [&] { return slot_.halted || !ticket->superseded.empty(); };
  if (ended_early()) co_return outcome(false, "ended early: a stop was asked for", begun);
  const auto successor = std::make_shared<Instance>(services_, without_restarts(spec), number_);
  successor_ = successor;
  options.beside(successor);
  successor->begin_beside(*this);
  auto proving = successor->await_proven(ticket, 0, report, begun);
  auto proven = co_await std::move(proving);
  if (!proven.ok || ended_early()) {
    const auto why = successor->last_failure_ ? successor->last_failure_->message : proven.message;
    auto withdrawing = successor->withdraw({Cause::verb, "a reload that failed"});
    co_await std::move(withdrawing);
    successor_.reset();
    auto telling = not_reloaded(successor, ended_early() ? "a stop was asked for" : why, begun);
    co_return co_await std::move(telling);
  }
  hand_over(successor);
  options.take_place(self, successor);
  successor->set_spec(spec);

  const auto goes_on = [ticket, self] { return ticket->superseded.empty() && !self->slot_.halted; };
  auto retiring = retire(options.reason, goes_on, report);
  const auto left = co_await std::move(retiring);
  std::string message = "reloaded, " + proven.message;
  if (left > 0) {
    message += "; " + std::to_string(left) + (left == 1 ? " connection was" : " connections were") +
               " still open when the old process was stopped";
  }
  co_return successor->outcome(true, std::move(message), begun);
}

/// For `also` in `list`.
void Instance::add_others(InstanceStatus& status) const {
  const auto add = [&](const std::weak_ptr<Instance>& weak, const std::string& phase) {
    const auto other = weak.lock();
    if (!other || !other->generation_ || other->generation_->process.pid <= 0) return;
    status.also.push_back({other->generation_->process.pid, other->generation_->number,
                           other->slot_.state == State::stopping ? "stopping" : phase});
  };
  add(successor_, "proving");
  add(leaving_, "draining");
}

}  // namespace dixis
