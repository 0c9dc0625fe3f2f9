#include "daemon/run/stray.hpp"

#include <csignal>
#include <memory>

#include "daemon/sys/process.hpp"

namespace dixis {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

/// Counts the members that are still alive.
struct Remaining {
  std::size_t count = 0;
  Notifier fewer{};
};

Task<void> await_end(std::shared_ptr<Remaining> remaining, Reaper& reaper,
                     std::shared_ptr<Process> process) {
  co_await reaper.wait_exit(*process);
  --remaining->count;
  remaining->fewer.notify_all();
}

}  // namespace

Task<void> end_members(std::vector<ProcessFacts> members, Reaper& reaper, int signal,
                       steady_clock::time_point until) {
  const auto executor = co_await asio::this_coro::executor;
  const auto remaining = std::make_shared<Remaining>();
  for (const auto& member : members) {
    auto process = open_process(member.pid, member.start_ticks);
    if (!process) continue;
    send_signal(*process, signal);
    ++remaining->count;
    auto held = std::make_shared<Process>(std::move(*process));
    asio::co_spawn(executor, await_end(remaining, reaper, std::move(held)), asio::detached);
  }
  while (remaining->count > 0 && steady_clock::now() < until) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_clock::now());
    co_await remaining->fewer.wait(left + std::chrono::milliseconds(1));
  }
}

Task<void> end_stray(TreeScanner& trees, Reaper& reaper, TreeKey tree,
                     std::chrono::milliseconds grace) {
  const auto until = steady_clock::now() + grace;
  for (auto members = co_await trees.members(tree); !members.empty();) {
    const bool asks = steady_clock::now() < until;
    // What was killed is waited for, a second at a time: uninterruptible sleep takes as long as it
    // takes.
    const auto wait_until = asks ? until : steady_clock::now() + std::chrono::seconds(1);
    co_await end_members(std::move(members), reaper, asks ? SIGTERM : SIGKILL, wait_until);
    members = co_await trees.members(tree);
  }
}

}  // namespace dixis
