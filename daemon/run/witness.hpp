#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <sys/types.h>

#include <boost/asio.hpp>

#include "common/model.hpp"
#include "daemon/sys/kernel_log.hpp"
#include "daemon/sys/trace_record.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// A signal that the kernel noted, with what could still be read of both sides.
struct SeenSignal {
  SignalSent sent{};
  std::int64_t at_ms = 0;          ///< boot time
  pid_t target_process = 0;        ///< of which the target is a thread; 0: it was gone
  pid_t target_session = 0;        ///< 0: it was gone
  std::optional<Sender> sender{};  ///< nullopt: it was gone
};

/// What the kernel tells of ends: who sent which signal, how processes of others ended, what was
/// killed for memory. It waits for events; while nothing of the kind happens it does nothing, and
/// without root or tracefs it sees less. Loop's thread.
class Witness {
 public:
  /// `name`: of the trace instance; a successor with the same one finds what happened meanwhile.
  Witness(boost::asio::io_context& loop, Worker& worker, std::string name);
  ~Witness();

  /// Opens its eyes: what was noted while no daemon ran is known when this returns.
  Task<void> open();
  /// Takes the instance away: no successor is expected.
  Task<void> close();

  /// Why senders of signals can't be seen; empty: they are.
  const std::string& blind() const;
  /// Records were lost since `at_ms`: that nothing was seen means nothing.
  bool lost_since(std::int64_t at_ms) const;

  /// From now on the end of this leader is noted, and signals to its session.
  void watch(pid_t leader);
  void forget(pid_t leader);
  /// `told` hears of programs that start, unless they lie where programs are installed; and of the
  /// watched leader whose session or descendant it is, 0 if none.
  void on_program(std::function<void(pid_t pid, pid_t leader)> told);

  /// Takes in what the kernel has noted by now.
  void look();

  /// The latest signal since `since_ms` that `fits`; null: none was seen.
  using Fits = std::function<bool(const SeenSignal&)>;
  const SeenSignal* latest_signal(std::int64_t since_ms, const Fits& fits) const;
  /// How a watched leader ended, as wait(2) encodes it.
  std::optional<int> end_of(pid_t leader, std::int64_t since_ms) const;
  /// The latest kill for memory since `since_ms` that `fits`; null: none.
  using FitsKill = std::function<bool(const OomKill&)>;
  const OomKill* latest_oom_kill(std::int64_t since_ms, const FitsKill& fits) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
