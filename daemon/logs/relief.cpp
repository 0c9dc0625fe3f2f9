#include "daemon/logs/relief.hpp"

#include <algorithm>
#include <chrono>
#include <poll.h>
#include <utility>

namespace dixis {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

/// How long the worker may be busy before its pipes are looked at, and how often they are.
constexpr auto kBegin = 250ms;
constexpr auto kStep = 100ms;

}  // namespace

Relief::Relief(LogIntent& intent, std::function<void()> acted)
    : intent_(intent), acted_(std::move(acted)) {}

void Relief::add(std::shared_ptr<LogPipe> pipe) {
  asio::post(thread_.context(),
             [this, pipe = std::move(pipe)]() mutable { pipes_.push_back(std::move(pipe)); });
}

void Relief::remove(std::shared_ptr<LogPipe> pipe) {
  asio::post(thread_.context(), [this, pipe = std::move(pipe)] { std::erase(pipes_, pipe); });
}

void Relief::worker_works() {
  works_ = true;
  if (!watches_.exchange(true)) asio::co_spawn(thread_.context(), watch(), asio::detached);
}

void Relief::worker_rests() {
  works_ = false;
  ++rests_;
}

/// The worker has its time again each time it rests.
Task<void> Relief::watch() {
  asio::steady_timer pause(thread_.context());
  for (auto step = kBegin;; step = kStep) {
    const unsigned rests = rests_;
    pause.expires_after(step);
    co_await pause.async_wait(asio::use_awaitable);
    if (works_) {
      if (rests == rests_) look();
      continue;
    }
    watches_ = false;
    if (!works_ || watches_.exchange(true)) co_return;  // unless it began in this moment
  }
}

void Relief::look() {
  const auto now = std::chrono::steady_clock::now();
  std::vector<std::shared_ptr<LogPipe>> pressed;
  for (const auto& pipe : pipes_) {
    if (pipe->pressed(now)) pressed.push_back(pipe);
  }
  if (pressed.empty()) return;
  drop_from(pressed);
  acted_();
}

/// For one step: what comes into them is dropped as it comes.
void Relief::drop_from(const std::vector<std::shared_ptr<LogPipe>>& pipes) {
  const auto until = std::chrono::steady_clock::now() + kStep;
  std::vector<pollfd> entries;
  for (const auto& pipe : pipes) {
    pipe->drop(intent_);
    entries.push_back({pipe->fd(), POLLIN, 0});
  }
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left <= 0ms) return;
    const int ready = ::poll(entries.data(), entries.size(), static_cast<int>(left.count()));
    if (ready <= 0) return;
    for (std::size_t i = 0; i < pipes.size(); ++i) {
      if ((entries[i].revents & POLLHUP) != 0) entries[i].fd = -1;  // it ends; poll would not wait
      if ((entries[i].revents & POLLIN) != 0) pipes[i]->drop(intent_);
    }
  }
}

}  // namespace dixis
