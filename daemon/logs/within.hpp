#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "daemon/sys/worker.hpp"

namespace dixis {

/// What `task` gives, or nullopt after `limit`: then it is cancelled, but not waited for, since a
/// worker that hangs in the kernel can't be called back.
template <class T>
Task<std::optional<T>> within(std::chrono::milliseconds limit, Task<T> task) {
  struct Shared {
    Shared(const boost::asio::any_io_executor& executor, std::chrono::milliseconds limit)
        : timer(executor, limit) {}
    boost::asio::steady_timer timer;
    boost::asio::cancellation_signal cancel{};
    bool done = false;
    std::optional<T> value{};
    std::exception_ptr failure{};
  };
  const auto own = co_await boost::asio::this_coro::executor;
  const auto shared = std::make_shared<Shared>(own, limit);
  boost::asio::co_spawn(
      own, std::move(task),
      boost::asio::bind_cancellation_slot(
          shared->cancel.slot(), [shared](const std::exception_ptr& failure, T value) {
            shared->done = true;
            shared->failure = failure;
            if (!failure) shared->value = std::move(value);
            shared->timer.expires_at(boost::asio::steady_timer::time_point::min());
          }));
  if (!shared->done) {
    boost::system::error_code ignored;
    co_await shared->timer.async_wait(
        boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
  if (!shared->done) shared->cancel.emit(boost::asio::cancellation_type::terminal);
  if (shared->done && shared->failure) std::rethrow_exception(shared->failure);
  co_return std::move(shared->value);
}

}  // namespace dixis
