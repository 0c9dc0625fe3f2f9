#pragma once

#include <chrono>
#include <vector>

#include "daemon/sys/worker.hpp"

namespace dixis {

/// Lets coroutines of the loop's thread wait until something has changed. It carries no data: a
/// waiter looks again at what it waits for.
class Notifier {
 public:
  /// Resumes at the next notify_all(), or after `timeout`. False: it was the timeout.
  Task<bool> wait(std::chrono::milliseconds timeout);
  Task<void> wait();
  void notify_all();
  /// Resumes the one that has waited longest.
  void notify_one();

 private:
  std::vector<boost::asio::steady_timer*> waiting_;
};

}  // namespace dixis
