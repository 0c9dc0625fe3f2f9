#include "daemon/run/verb_lane.hpp"

#include <algorithm>

namespace dixis {

VerbTicket VerbLane::join(VerbKind kind, bool joinable) const {
  if (!joinable || turns_.empty()) return nullptr;
  const auto& last = turns_.back();
  if (last->kind != kind || !last->superseded.empty()) return nullptr;
  // A restart under way began before this one was asked for: its process may not be new enough.
  const bool replaces = kind == VerbKind::restart || kind == VerbKind::reload;
  if (last->begun && replaces) return nullptr;
  return last;
}

void VerbLane::supersede_others(const std::function<void()>& wake) {
  for (const auto& turn : turns_) {
    if (turn->kind != VerbKind::stop) turn->superseded = "a stop";
  }
  wake();
}

Task<Outcome> VerbLane::run(VerbKind kind, bool joinable, Body body, Superseded superseded,
                            std::function<void()> wake) {
  if (const auto other = join(kind, joinable)) {
    while (!other->outcome) co_await other->changed.wait();
    co_return *other->outcome;
  }
  if (kind == VerbKind::stop) supersede_others(wake);
  const auto turn = std::make_shared<VerbTurn>();
  turn->kind = kind;
  turns_.push_back(turn);
  while (turns_.front() != turn) co_await turn->changed.wait();
  turn->begun = true;
  if (turn->superseded.empty()) {
    turn->outcome = co_await body(turn);
  } else {
    turn->outcome = superseded(turn->superseded);
  }
  turns_.pop_front();
  if (!turns_.empty()) turns_.front()->changed.notify_all();
  turn->changed.notify_all();
  co_return *turn->outcome;
}

}  // namespace dixis
