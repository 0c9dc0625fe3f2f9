#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>

#include <boost/asio.hpp>

namespace dixis {

template <class T>
using Task = boost::asio::awaitable<T>;

namespace detail {

/// What a call on a worker leaves for its caller. All of it is touched on the caller's executor
/// only, save `value` and `error` before the hand-over.
template <class R>
struct WorkerCall {
  std::optional<R> value{};
  std::exception_ptr error{};
  bool done = false;
  boost::asio::steady_timer* waiter = nullptr;  ///< null when the caller is gone
};

/// The worker's half of a call: hands the result over when it is destroyed, so that a function
/// which never ran tells its caller, too.
template <class R>
class WorkerPromise {
 public:
  WorkerPromise(std::shared_ptr<WorkerCall<R>> call, boost::asio::any_io_executor executor)
      : call_(std::move(call)), executor_(std::move(executor)) {}
  WorkerPromise(WorkerPromise&&) noexcept = default;
  WorkerPromise(const WorkerPromise&) = delete;
  WorkerPromise& operator=(const WorkerPromise&) = delete;
  WorkerPromise& operator=(WorkerPromise&&) = delete;
  ~WorkerPromise() {
    if (!call_) return;
    boost::asio::post(executor_, [call = std::move(call_)] {
      call->done = true;
      if (call->waiter != nullptr) call->waiter->cancel();
    });
  }
  WorkerCall<R>& call() { return *call_; }

 private:
  std::shared_ptr<WorkerCall<R>> call_;
  boost::asio::any_io_executor executor_;
};

}  // namespace detail

/// A thread beside the loop for what may block. It takes functions and gives back their values; it
/// shares nothing. Destroying it waits for the function under way; those in the queue never run.
/// A worker is destroyed before the io_context of those who call it.
class Worker {
 public:
  explicit Worker(const std::string& name);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Runs `function` on the worker and resumes the caller on its own executor with the value.
  /// `function` owns what it uses: the caller may be gone by then. Exceptions travel back.
  /// Cancellable: the caller goes on at once (operation_aborted), the function runs to its end.
  template <class F>
  Task<std::invoke_result_t<F>> run(F function) {
    using Value = std::invoke_result_t<F>;
    using Stored = std::conditional_t<std::is_void_v<Value>, std::monostate, Value>;
    const boost::asio::any_io_executor executor = co_await boost::asio::this_coro::executor;
    const auto call = std::make_shared<detail::WorkerCall<Stored>>();
    boost::asio::steady_timer waiter(executor, boost::asio::steady_timer::time_point::max());
    const Attachment attachment{call->waiter, waiter};

    boost::asio::post(context_, [promise = detail::WorkerPromise<Stored>(call, executor),
                                 f = std::move(function)]() mutable {
      auto& result = promise.call();
      try {
        if constexpr (std::is_void_v<Value>) {
          f();
          result.value.emplace();
        } else {
          result.value.emplace(f());
        }
      } catch (...) {
        result.error = std::current_exception();
      }
    });

    while (!call->done) {
      boost::system::error_code waited;
      co_await waiter.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, waited));
      if (!call->done) throw boost::system::system_error(boost::asio::error::operation_aborted);
    }
    if (call->error) std::rethrow_exception(call->error);
    if (!call->value) throw boost::system::system_error(boost::asio::error::operation_aborted);
    if constexpr (!std::is_void_v<Value>) co_return std::move(*call->value);
  }

  /// The worker's own loop, for what lives there (log capture).
  boost::asio::io_context& context() { return context_; }

 private:
  /// Lets the worker's half know the caller's timer for as long as the caller's frame lives.
  struct Attachment {
    Attachment(boost::asio::steady_timer*& slot, boost::asio::steady_timer& timer) : slot_(&slot) {
      slot = &timer;
    }
    ~Attachment() { *slot_ = nullptr; }
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;

   private:
    boost::asio::steady_timer** slot_;
  };

  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace dixis
