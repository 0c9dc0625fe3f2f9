#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>

#include "common/model.hpp"
#include "daemon/sys/kernel_log.hpp"
#include "daemon/sys/trace_record.hpp"

namespace dixis {

/// A signal that the kernel noted, with what could still be read of both sides.
struct SeenSignal {
  SignalSent sent{};
  std::int64_t at_ms = 0;          ///< boot time
  pid_t target_process = 0;        ///< of which the target is a thread; 0: it was gone
  pid_t target_session = 0;        ///< 0: it was gone
  std::optional<Sender> sender{};  ///< nullopt: it was gone
};

/// What was seen of signals and ends, the latest of each kind: it is asked for at once, or when the
/// next daemon comes. Times are boot times in milliseconds.
class Sightings {
 public:
  /// Why senders of signals can't be seen; empty: they are.
  std::string blind{};

  void note(SeenSignal signal);
  void note(OomKill kill);
  void note_end(pid_t leader, int status, std::int64_t at_ms);
  void note_loss(std::int64_t at_ms) { lost_at_ms_ = at_ms; }
  void forget_end(pid_t leader) { ends_.erase(leader); }

  /// Records were lost since `at_ms`: that nothing was seen means nothing.
  bool lost_since(std::int64_t at_ms) const { return lost_at_ms_ > at_ms; }
  /// The latest signal since `since_ms` that `fits`; null: none was seen.
  const SeenSignal* latest_signal(std::int64_t since_ms,
                                  const std::function<bool(const SeenSignal&)>& fits) const;
  /// How a watched leader ended, as wait(2) encodes it.
  std::optional<int> end_of(pid_t leader, std::int64_t since_ms) const;
  /// The latest kill for memory since `since_ms` that `fits`; null: none.
  const OomKill* latest_oom_kill(std::int64_t since_ms,
                                 const std::function<bool(const OomKill&)>& fits) const;

 private:
  struct End {
    int status = 0;
    std::int64_t at_ms = 0;
  };
  std::deque<SeenSignal> signals_{};
  std::deque<OomKill> kills_{};
  std::map<pid_t, End> ends_{};
  std::int64_t lost_at_ms_ = 0;
};

}  // namespace dixis
