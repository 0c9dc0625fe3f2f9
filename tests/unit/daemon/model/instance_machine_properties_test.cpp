// Properties of the state machine: a world that keeps its own books plays against it, with fixed
// seeds, and looks after every step whether both still agree.
#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "daemon/model/instance_machine.hpp"

using namespace dixis;
using namespace dixis::machine;

namespace {

using Event = machine::Event;

/// How often something happened over all seeds: a property of what never happens proves nothing.
struct Coverage {
  std::uint64_t launches = 0, failed_launches = 0, buried = 0, kills = 0, backoffs = 0, unasked = 0,
                given_up = 0, adopted = 0, halted = 0, nonsense = 0, ports_held = 0;
};

void demand(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

/// One process tree, as the kernel would know it.
struct Tree {
  bool leader_alive = true;
  bool death_told = false;
  bool asked = false;    ///< got the stop signal
  bool killed = false;   ///< got SIGKILL
  bool swept = false;    ///< somebody waits for its orphans
  bool proving = false;  ///< a proof is under way
  bool deaf = false;     ///< ignores the stop signal
  int orphans = 0;
};

class World {
 public:
  World(unsigned seed, Coverage& coverage) : random_(seed), coverage_(coverage) {
    auto& restart = policy_.restart;
    restart.on = static_cast<RestartPolicy::On>(one_in(2) ? 0U : below(3));
    if (one_in(3)) restart.not_on = {3};
    if (one_in(3)) restart.give_up_after = 1 + below(5);
    if (one_in(3)) restart.reset_after = Milliseconds(below(2000));
    if (one_in(3)) policy_.stop.timeout = Milliseconds(below(5000));
  }

  /// A random course of events, after an adoption perhaps.
  void play(int events) {
    if (one_in(4)) adopt();
    for (int i = 0; i < events; ++i) {
      now_ms_ += one_in(20) ? 40'000 : below(300);
      if (one_in(12)) {
        verb();
      } else if (one_in(8)) {
        nonsense();
      } else {
        nature(true);
      }
    }
  }

  /// Desired down, and a world that lets go: ends in `stopped`, with nothing left.
  void settle_down(bool by_halt) {
    feed(by_halt ? Event(Halt{{Cause::shutdown, ""}}) : Event(Stop{{Cause::verb, ""}}));
    run_until([&] { return slot_.state == State::stopped; }, "doesn't come to `stopped`");
    demand(!launching_ && trees_.empty(), "stopped, but something lives");
    demand(launched_.empty(), "stopped, but not all that was launched is buried");
    demand(armed_.empty(), "stopped, but a timer is armed");
    if (!by_halt) return;
    feed(Start{});
    feed(Restart{{Cause::verb, ""}});
    demand(slot_.state == State::stopped, "a halted slot woke up");
  }

  /// Asked to be up in a world where all goes well: ends `online`.
  void settle_up() {
    feed(Start{});
    const auto ends = [&] { return slot_.state == State::online || slot_.state == State::failed; };
    run_until(ends, "comes neither `online` nor gives up");
    if (slot_.state == State::online) return;
    // A death that nobody had told yet was one too many: now all is well.
    feed(Start{});
    run_until([&] { return slot_.state == State::online; }, "doesn't come `online`");
  }

  bool halted() const { return halted_; }
  const std::vector<std::string>& trace() const { return trace_; }

 private:
  bool one_in(unsigned n) { return below(n) == 0; }
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  void adopt() {
    ++coverage_.adopted;
    wanted_ = slot_.desired = one_in(3) ? Desired::down : Desired::up;
    last_ = 1 + below(1000);
    trees_[last_] = Tree{.orphans = static_cast<int>(below(3))};
    launched_.insert(last_);
    restarts_ = below(10);
    feed(Adopted{last_, one_in(2), restarts_, below(4)});
  }

  void verb() {
    const auto which = below(100);
    if (which < 38) return feed(Start{});
    if (which < 62) return feed(Stop{{Cause::verb, ""}});
    if (which < 98) return feed(Restart{{Cause::verb, ""}});
    feed(Halt{{Cause::shutdown, ""}});
  }

  /// Something that the outside may do now. Not `wild`: only what brings things to an end.
  bool nature(bool wild) {
    std::vector<std::function<void()>> possible;
    const auto may = [&](auto what) { possible.emplace_back(what); };
    if (launching_) {
      may([&] { launched(); });
      if (wild && one_in(2)) may([&] { launch_failed(); });
    }
    for (auto& [number, tree] : trees_) nature_of(number, tree, wild, may);
    const auto armed = armed_;
    // Timers come last, as they do: only what hangs in a good world meets one.
    for (const auto timer : armed) {
      if (wild ? one_in(3) : possible.empty()) may([&, timer] { fire(timer); });
    }
    if (possible.empty()) return false;
    possible[below(static_cast<unsigned>(possible.size()))]();
    return true;
  }

  template <class May>
  void nature_of(std::uint64_t number, Tree& tree, bool wild, const May& may) {
    const bool dies = tree.killed || (tree.asked && !tree.deaf);
    if (tree.leader_alive && (dies || (wild && one_in(6)))) may([&] { tree.leader_alive = false; });
    if (!tree.leader_alive && !tree.death_told) may([&, number] { tell_death(number, tree); });
    const bool orphan_goes = tree.killed || (tree.swept && !tree.deaf);
    if (!tree.leader_alive && tree.orphans > 0 && orphan_goes) may([&] { --tree.orphans; });
    if (tree.swept && tree.orphans == 0) may([&, number, wild] { tell_gone(number, wild); });
    if (tree.leader_alive && tree.proving) {
      may([&, number, wild] { tell_proof(number, tree, !wild || !one_in(3)); });
    }
    if (!tree.leader_alive || !slot_.current) return;
    if (wild && one_in(6)) may([&, number] { feed(Unhealthy{number, "503", one_in(2), now_ms_}); });
    if (wild || slot_.state == State::unhealthy) may([&, number] { feed(Recovered{number}); });
  }

  void launched() {
    const auto number = *std::exchange(launching_, std::nullopt);
    trees_[number] = Tree{.deaf = one_in(4), .orphans = static_cast<int>(below(3))};
    launched_.insert(number);
    feed(Launched{number});
  }

  void launch_failed() {
    ++coverage_.failed_launches;
    feed(LaunchFailed{*std::exchange(launching_, std::nullopt), "chdir: No such file"});
  }

  void tell_death(std::uint64_t number, Tree& tree) {
    tree.death_told = doomed_ = true;
    tree.proving = false;
    static constexpr std::array<std::optional<int>, 4> kCodes{0, 1, 3, std::nullopt};
    feed(LeaderDied{number, kCodes[below(4)]});
  }

  void tell_gone(std::uint64_t number, bool wild) {
    trees_.at(number).swept = false;
    gone_ = number;
    if (!wild || !one_in(5)) return feed(TreeGone{number});
    ++coverage_.ports_held;
    feed(PortHeld{number, "nginx listens on it"});
  }

  void tell_proof(std::uint64_t number, Tree& tree, bool good) {
    tree.proving = false;
    if (good) return feed(Proven{number});
    feed(ProofFailed{number, {Cause::start_timeout, "it doesn't listen"}});
  }

  void fire(Timer timer) {
    armed_.erase(timer);
    feed(TimerFired{timer});
  }

  /// What must change nothing: of other generations, out of place, of timers that aren't armed.
  void nonsense() {
    ++coverage_.nonsense;
    std::uint64_t number = below(static_cast<unsigned>(last_) + 3);
    const bool current = slot_.current && slot_.current->generation == number;
    if (current && !trees_.contains(number)) ++number;  // what launches can be anything soon
    const bool told = current && trees_.contains(number) && trees_[number].death_told;
    std::vector<Event> events{Launched{number}, LaunchFailed{number, "late"}};
    if (told || !current) events.emplace_back(LeaderDied{number, 0});
    if (!told || !current) events.emplace_back(TreeGone{number});
    if (!told || !current) events.emplace_back(PortHeld{number, "late"});
    if (!current) {
      events.emplace_back(Proven{number});
      events.emplace_back(ProofFailed{number, {Cause::start_timeout, "late"}});
      events.emplace_back(Unhealthy{number, "late", true, now_ms_});
      events.emplace_back(Recovered{number});
    }
    if (slot_.current) events.emplace_back(Adopted{number, true, 99, 99});
    for (const auto timer : {Timer::backoff, Timer::start, Timer::stop}) {
      if (!armed_.contains(timer)) events.emplace_back(TimerFired{timer});
    }
    const auto before = slot_;
    feed(events[below(static_cast<unsigned>(events.size()))]);
    demand(actions_ == 0, "an event that means nothing led to an action");
    demand(before.state == slot_.state && before.failures == slot_.failures &&
               before.relaunch == slot_.relaunch && before.message == slot_.message &&
               before.next_generation == slot_.next_generation,
           "an event that means nothing changed the slot");
  }

  void note_verb(const Event& event) {
    const bool occupied = launching_ || !trees_.empty();
    if (std::holds_alternative<Stop>(event)) wanted_ = Desired::down;
    if (std::holds_alternative<Halt>(event)) {
      ++coverage_.halted;
      halted_ = true;
    }
    if (std::holds_alternative<Stop>(event) || std::holds_alternative<Halt>(event)) {
      asked_ = false;
      doomed_ = occupied;
    }
    if (halted_) return;
    const bool restart = std::holds_alternative<Restart>(event);
    if (!restart && !std::holds_alternative<Start>(event)) return;
    wanted_ = Desired::up;
    asked_ = !occupied || restart || doomed_ || asked_;
    if (restart) doomed_ = true;
  }

  void feed(const Event& event) {
    if (keep_trace) trace_.push_back("event " + std::to_string(event.index()));
    note_verb(event);
    auto next =
        step(std::move(slot_), event, policy_, {now_ms_, static_cast<double>(below(1000)) / 1000});
    slot_ = std::move(next.slot);
    actions_ = next.actions.size();
    for (const auto& action : next.actions) {
      if (keep_trace) trace_.push_back("  action " + std::to_string(action.index()));
      std::visit([this](const auto& what) { carry_out(what); }, action);
    }
    check();
  }

  Tree& tree(std::uint64_t number, const char* action) {
    const auto found = trees_.find(number);
    demand(found != trees_.end(), action);
    return found->second;
  }

  void carry_out(const Launch& action) {
    ++coverage_.launches;
    demand(!halted_, "launched while halted");
    demand(wanted_ == Desired::up, "launched, though it shall be down");
    demand(!launching_ && trees_.empty(), "launched while a generation lives");
    demand(action.generation > last_, "a generation's number isn't above the last");
    launching_ = last_ = action.generation;
    if (!asked_) {
      ++restarts_;
      ++coverage_.unasked;
    }
    asked_ = doomed_ = false;
  }
  void carry_out(const BeginProof& action) {
    tree(action.generation, "proof of nothing").proving = true;
  }
  void carry_out(const Terminate& action) {
    auto& it = tree(action.generation, "terminate of nothing");
    demand(!it.death_told, "terminate of a dead leader");
    demand(!std::exchange(it.asked, true), "asked to stop twice");
    doomed_ = true;
  }
  void carry_out(const KillTree& action) {
    ++coverage_.kills;
    tree(action.generation, "kill of nothing").killed = true;
  }
  void carry_out(const Sweep& action) {
    auto& it = tree(action.generation, "sweep of nothing");
    demand(it.death_told, "sweep around a living leader");
    demand(!std::exchange(it.swept, true), "swept twice");
  }
  void carry_out(const Bury& action) {
    ++coverage_.buried;
    demand(gone_ == action.generation, "buried, though something may be left");
    demand(trees_.erase(action.generation) == 1, "burial of nothing");
    demand(launched_.erase(action.generation) == 1, "buried twice");
  }
  void carry_out(const ArmTimer& action) {
    demand(action.delay.count() >= 0, "a timer in the past");
    demand(armed_.insert(action.timer).second, "a timer armed twice");
    if (action.timer != Timer::backoff) return;
    ++coverage_.backoffs;
    const auto& backoff = policy_.restart.backoff;
    const auto delay = static_cast<double>(action.delay.count());
    demand(delay >= static_cast<double>(backoff.first.count()) * (1 - backoff.jitter) - 1 &&
               delay <= static_cast<double>(backoff.max.count()) * (1 + backoff.jitter),
           "a backoff out of its bounds");
  }
  void carry_out(const CancelTimer& action) {
    demand(armed_.erase(action.timer) == 1, "cancelled a timer that isn't armed");
  }

  void check() {
    demand(trees_.size() + (launching_ ? 1U : 0U) <= 1, "two generations in one slot");
    std::optional<std::uint64_t> mine = launching_;
    if (!trees_.empty()) mine = trees_.begin()->first;
    demand(slot_.current.has_value() == mine.has_value(), "the slot misses, or makes up, a life");
    demand(!mine || slot_.current->generation == *mine, "another generation in the slot");
    demand(slot_.next_generation > last_, "a number would be used again");
    demand(timers_in_order(slot_), "timers out of order");
    demand(slot_.timers == Timers{armed_.contains(Timer::backoff), armed_.contains(Timer::start),
                                  armed_.contains(Timer::stop)},
           "the slot's timers aren't those that are armed");
    demand(slot_.desired == wanted_, "another desired state than the last verb's");
    demand(slot_.halted == halted_, "halted or not");
    demand(slot_.restarts == restarts_, "restarts counts what was asked for, or misses one");
    demand(!slot_.relaunch || slot_.current, "a relaunch of nothing");
    check_state();
  }

  void check_state() {
    const bool up = wanted_ == Desired::up && !halted_;
    if (!slot_.current) {
      const bool waits = slot_.state == State::backoff && armed_.contains(Timer::backoff);
      if (slot_.state == State::failed) {
        demand(!slot_.message.empty(), "failed, and doesn't say why");
        if (up) ++coverage_.given_up;
      }
      // Not wanted ever since, a slot rests; wanted, it has a timer or has given up.
      if (up) return demand(waits || slot_.state == State::failed, "dead, wanted, and no timer");
      return demand(slot_.state == State::stopped || slot_.state == State::failed,
                    "dead and not wanted, but neither stopped nor failed");
    }
    const auto& life = *slot_.current;
    if (life.ended_for || life.phase == Phase::ending) {
      return demand(slot_.state == State::stopping, "on its way out, but not `stopping`");
    }
    if (life.phase == Phase::serving) {
      return demand(slot_.state == State::online || slot_.state == State::unhealthy,
                    "serves, but neither online nor unhealthy");
    }
    demand(slot_.state == State::starting, "not proven, but not `starting`");
  }

  void run_until(const std::function<bool()>& done, const char* otherwise) {
    for (int i = 0; i < 200 && !done(); ++i) {
      now_ms_ += 1;
      demand(nature(false), "nothing can happen any more");
    }
    demand(done(), otherwise);
  }

 public:
  bool keep_trace = false;

 private:
  std::mt19937 random_;
  Coverage& coverage_;
  Policy policy_{};
  Slot slot_{};
  std::int64_t now_ms_ = 1'000;
  std::size_t actions_ = 0;

  // The world's own books.
  Desired wanted_ = Desired::down;
  bool halted_ = false;
  bool asked_ = false;   ///< the next launch is somebody's wish
  bool doomed_ = false;  ///< what is in the slot is on its way out
  std::uint64_t restarts_ = 0;
  std::uint64_t last_ = 0;
  std::optional<std::uint64_t> launching_{};
  std::map<std::uint64_t, Tree> trees_{};
  std::set<std::uint64_t> launched_{};  ///< and not buried
  std::uint64_t gone_ = 0;              ///< the tree of which nothing is left
  std::set<Timer> armed_{};
  std::vector<std::string> trace_{};
};

void whole_life(World& world, unsigned seed) {
  world.play(200);
  if (seed % 3 == 0 && !world.halted()) world.settle_up();
  world.settle_down(seed % 5 == 0);
}

}  // namespace

TEST_CASE("whatever happens, a slot keeps its promises", "[machine][property]") {
  Coverage coverage;
  for (unsigned seed = 1; seed <= 10'000; ++seed) {
    World world(seed, coverage);
    try {
      whole_life(world, seed);
    } catch (const std::exception& violation) {
      // The same again, this time with notes.
      World again(seed, coverage);
      again.keep_trace = true;
      try {
        whole_life(again, seed);
      } catch (const std::exception&) {
      }
      std::string notes;
      const auto& trace = again.trace();
      for (std::size_t i = trace.size() - std::min<std::size_t>(trace.size(), 40); i < trace.size();
           ++i) {
        notes += "\n" + trace[i];
      }
      FAIL("seed " << seed << ": " << violation.what() << notes);
    }
  }
  CHECK(coverage.launches > 50'000);
  CHECK(coverage.failed_launches > 10'000);
  CHECK(coverage.buried > 50'000);
  CHECK(coverage.kills > 2'000);
  CHECK(coverage.backoffs > 2'000);
  CHECK(coverage.unasked > 5'000);
  CHECK(coverage.given_up > 500);
  CHECK(coverage.adopted > 500);
  CHECK(coverage.halted > 500);
  CHECK(coverage.nonsense > 50'000);
  CHECK(coverage.ports_held > 500);
}
