#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "daemon/logs/log_pipe.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// Takes over the pipes from a log worker that doesn't come, since a disk hangs, is slow or
/// refuses: a pipe that stayed full for 1 s is emptied, and what it held counted. A thread of its
/// own that never touches a disk, and sleeps while the log worker has nothing to do.
///
/// Any thread may call.
class Relief {
 public:
  /// `acted`: called by its thread after it has dropped something.
  Relief(LogIntent& intent, std::function<void()> acted);

  void add(std::shared_ptr<LogPipe> pipe);
  void remove(std::shared_ptr<LogPipe> pipe);

  /// The log worker begins to work, or has pipes that it can't empty.
  void worker_works();
  /// It has done all that there was to do.
  void worker_rests();

 private:
  Task<void> watch();
  void look();
  void drop_from(const std::vector<std::shared_ptr<LogPipe>>& pipes);

  LogIntent& intent_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  std::function<void()> acted_;
  std::atomic<bool> works_ = false;
  std::atomic<bool> watches_ = false;
  std::atomic<unsigned> rests_ = 0;                ///< counts them
  std::vector<std::shared_ptr<LogPipe>> pipes_{};  ///< of its thread
  Worker thread_{"dixis-relief"};
};

}  // namespace dixis
