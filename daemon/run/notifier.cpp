#include "daemon/run/notifier.hpp"

#include <algorithm>

namespace dixis {

namespace asio = boost::asio;

namespace {

/// Removes a waiter from the list however its wait ends, cancellation included.
struct Registration {
  std::vector<asio::steady_timer*>& list;
  asio::steady_timer* timer;
  Registration(std::vector<asio::steady_timer*>& waiting, asio::steady_timer* waiter)
      : list(waiting), timer(waiter) {
    list.push_back(timer);
  }
  ~Registration() { std::erase(list, timer); }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
};

}  // namespace

Task<bool> Notifier::wait(std::chrono::milliseconds timeout) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, timeout);
  const Registration registration(waiting_, &timer);
  const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  co_return error == asio::error::operation_aborted;
}

Task<void> Notifier::wait() {
  // Far enough to be never, near enough not to overflow a time_point.
  co_await wait(std::chrono::hours(24 * 365));
}

void Notifier::notify_all() {
  for (auto* timer : waiting_) timer->cancel();
}

void Notifier::notify_one() {
  if (waiting_.empty()) return;
  auto* first = waiting_.front();
  // Out of the list now, so that the next call wakes the next one.
  waiting_.erase(waiting_.begin());
  first->cancel();
}

}  // namespace dixis
