#pragma once

#include <array>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unistd.h>
#include <utility>

#include <boost/asio.hpp>

#include "daemon/sys/fd.hpp"
#include "daemon/sys/spawn.hpp"
#include "daemon/sys/worker.hpp"
#include "tests/unit/temporary_directory.hpp"

/// What the tests of daemon/sys share.
namespace dixis::test {

namespace asio = boost::asio;

/// A test that hangs fails after this long; nothing is expected to take anywhere near it.
inline constexpr std::chrono::seconds kPatience{30};

/// Runs `task` on `context` until it ends.
template <class T>
T await_on(asio::io_context& context, Task<T> task) {
  std::exception_ptr error;
  bool done = false;
  std::conditional_t<std::is_void_v<T>, int, std::optional<T>> value{};
  const auto finish = [&](std::exception_ptr thrown, auto&&... result) {
    error = thrown;
    if constexpr (!std::is_void_v<T>) value.emplace(std::move(result)...);
    done = true;
  };
  asio::co_spawn(context, std::move(task), finish);
  context.restart();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!done) {
    if (context.run_one_until(deadline) == 0) throw std::runtime_error("the test hangs");
  }
  if (error) std::rethrow_exception(error);
  if constexpr (!std::is_void_v<T>) return std::move(*value);
}

/// Waits for what the kernel has no event for.
template <class Predicate>
Task<bool> eventually(Predicate holds) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer pause(executor);
  const auto deadline = std::chrono::steady_clock::now() + kPatience / 2;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) co_return false;
    pause.expires_after(std::chrono::milliseconds(2));
    co_await pause.async_wait(asio::use_awaitable);
  }
  co_return true;
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

inline Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// Reads up to end-of-file, or to the first line's end.
inline std::string read_from(const UniqueFd& fd, bool one_line = false) {
  std::string text;
  for (;;) {
    pollfd entry{fd.get(), POLLIN, 0};
    if (::poll(&entry, 1, 30000) <= 0) throw std::runtime_error("nothing to read after: " + text);
    char byte = 0;
    if (::read(fd.get(), &byte, 1) != 1) return text;
    if (one_line && byte == '\n') return text;
    text += byte;
  }
}

/// A request for `/bin/sh -c SCRIPT` whose stdout is `out`.
inline SpawnRequest shell(const std::string& script, const UniqueFd& out) {
  SpawnRequest request;
  request.executable = "/bin/sh";
  request.argv = {"sh", "-c", script};
  request.environment = {"PATH=/usr/local/bin:/usr/bin:/bin"};
  request.cwd = "/";
  request.stdout_fd = out.get();
  return request;
}

inline bool is_root() {
  return ::geteuid() == 0;
}

inline constexpr uid_t kNobody = 65534;

inline Credentials nobody() {
  return {kNobody, kNobody, {kNobody}, "nobody", "/nonexistent", "/usr/sbin/nologin"};
}

}  // namespace dixis::test
