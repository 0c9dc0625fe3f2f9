#pragma once

#include <cstddef>

#include "daemon/run/notifier.hpp"

namespace dixis {

/// Where a thousand coroutines become ready at once (all apps stop, all die), lets a few of them go
/// on in each turn of the loop, so that who asks something in between is answered. Loop's thread.
class Turnstile {
 public:
  explicit Turnstile(boost::asio::io_context& loop) : loop_(loop) {}

  Task<void> pass() {
    ++waiting_;
    if (!std::exchange(turning_, true)) {
      boost::asio::co_spawn(loop_, turn(), boost::asio::detached);
    }
    co_await next_.wait();
  }

 private:
  static constexpr int kAtOnce = 4;

  Task<void> turn() {
    while (waiting_ > 0) {
      co_await boost::asio::post(loop_, boost::asio::use_awaitable);
      for (int passed = 0; passed < kAtOnce && waiting_ > 0; ++passed) {
        --waiting_;
        next_.notify_one();
      }
    }
    turning_ = false;
  }

  boost::asio::io_context& loop_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  std::size_t waiting_ = 0;
  bool turning_ = false;
  Notifier next_;
};

}  // namespace dixis
