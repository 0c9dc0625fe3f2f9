#pragma once

#include <memory>
#include <sys/types.h>

#include <boost/asio.hpp>

#include "daemon/sys/process.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// The one place that waits for processes. It makes the daemon a child subreaper, reaps strangers
/// that end up with us at once, and keeps a leader a zombie until its holder lets go, so that
/// neither its pid nor its process group can be reused under a kill. Lives on the loop's thread.
class Reaper {
 public:
  /// When it begins to reap: a process that has children already says first which it holds.
  enum class Begin { at_once, when_told };
  explicit Reaper(boost::asio::io_context& context, Begin begin = Begin::at_once);
  ~Reaper();

  void begin();

  /// From now on `leader` is reaped only by release(). Call it in the turn of the fork.
  void hold(pid_t leader);

  /// Holds it if it is our child, a zombie included. False: it isn't.
  bool hold_child(const Process& leader);

  /// Waits on the pidfd until the process has ended; doesn't reap. For a process that isn't our
  /// child the status is unknown, or what PIDFD_GET_INFO tells (kernel 6.15). Cancellable. It keeps
  /// a pidfd of its own: `process` need not outlive the call.
  Task<ExitStatus> wait_exit(const Process& process);

  /// Reaps a held leader. Its tree is gone. One that still lives is reaped when it dies.
  void release(pid_t leader);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  ///< shared with handlers that may be queued when this goes
};

}  // namespace dixis
