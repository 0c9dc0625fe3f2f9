#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/model.hpp"
#include "daemon/run/notifier.hpp"

namespace dixis {

enum class VerbKind { start, stop, restart, reload };

/// A verb's place in its slot's lane. The body looks at `superseded` whenever it waits.
struct VerbTurn {
  VerbKind kind = VerbKind::start;
  std::string superseded{};  ///< by what; empty: go on
  bool begun = false;
  std::optional<Outcome> outcome{};
  Notifier changed{};
};
using VerbTicket = std::shared_ptr<VerbTurn>;

/// Serialises the verbs on one slot. A verb that waits for its turn is joined by an equal one; a
/// start or stop joins the equal one that runs; a stop ends a start or restart that runs or waits.
/// Lives on the loop's thread.
class VerbLane {
 public:
  using Body = std::function<Task<Outcome>(VerbTicket)>;
  /// Called with the reason when a verb is superseded before its turn.
  using Superseded = std::function<Outcome(const std::string& by)>;

  /// Takes a place for `kind`; `on_supersede` is called when a running verb shall end early.
  /// `joinable`: false for a body that differs from its like (a restart with a new specification).
  Task<Outcome> run(VerbKind kind, bool joinable, Body body, Superseded superseded,
                    std::function<void()> wake);

  /// How many verbs run or wait.
  std::size_t length() const { return turns_.size(); }

 private:
  VerbTicket join(VerbKind kind, bool joinable) const;
  void supersede_others(const std::function<void()>& wake);

  std::deque<VerbTicket> turns_;
};

}  // namespace dixis
