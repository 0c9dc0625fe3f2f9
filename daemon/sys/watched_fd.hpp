#pragma once

#include <utility>

#include <boost/asio.hpp>

#include "daemon/sys/fd.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// A descriptor that a coroutine waits on. It leaves epoll by an explicit call before it is closed:
/// a child between fork and exec holds a copy, so close(2) alone would leave it registered, with
/// events for a watcher that is gone. Readiness may be spurious: the caller looks again.
class WatchedFd {
 public:
  WatchedFd(const boost::asio::any_io_executor& executor, UniqueFd fd)
      : fd_(std::move(fd)), descriptor_(executor, fd_.get()) {}
  ~WatchedFd() { descriptor_.release(); }
  WatchedFd(const WatchedFd&) = delete;
  WatchedFd& operator=(const WatchedFd&) = delete;

  int get() const { return fd_.get(); }
  /// Whoever waits gets operation_aborted.
  void cancel() { descriptor_.cancel(); }

  Task<void> wait(boost::asio::posix::descriptor_base::wait_type what) {
    return descriptor_.async_wait(what, boost::asio::use_awaitable);
  }
  Task<void> readable() { return wait(boost::asio::posix::descriptor_base::wait_read); }

 private:
  UniqueFd fd_;
  boost::asio::posix::stream_descriptor descriptor_;
};

}  // namespace dixis
