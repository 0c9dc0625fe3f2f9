#pragma once

#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include <boost/asio.hpp>

namespace dixis {

template <class T>
using Task = boost::asio::awaitable<T>;

/// A thread beside the loop for what may block. It takes functions and gives back their values; it
/// shares nothing. Destroying it waits for the function under way.
class Worker {
 public:
  explicit Worker(const std::string& name);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Runs `function` on the worker and resumes the caller on its own executor with the value.
  /// `function` owns what it uses: the caller may be gone by then. Exceptions travel back.
  template <class F>
  Task<std::invoke_result_t<F>> run(F function) {
    return boost::asio::co_spawn(
        context_, [](F f) -> Task<std::invoke_result_t<F>> { co_return f(); }(std::move(function)),
        boost::asio::use_awaitable);
  }

  /// The worker's own loop, for what lives there (log capture).
  boost::asio::io_context& context() { return context_; }

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace dixis
