#pragma once

#include <functional>
#include <memory>
#include <string>
#include <sys/types.h>

#include <boost/asio.hpp>

#include "daemon/run/sightings.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

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

  /// All that was seen so far.
  const Sightings& seen() const;

  /// From now on the end of this leader is noted, and signals to its session.
  void watch(pid_t leader);
  void forget(pid_t leader);
  /// `told` hears of programs that start, unless they lie where programs are installed; and of the
  /// watched leader whose session or descendant it is, 0 if none.
  void on_program(std::function<void(pid_t pid, pid_t leader)> told);

  /// Takes in what the kernel has noted by now.
  void look();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
