#include "daemon/logs/log_watch.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/temporary_directory.hpp"

using namespace dixis;
using dixis::test::TemporaryDirectory;
using namespace std::chrono_literals;

namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using FollowerPtr = std::shared_ptr<LogWatch::Follower>;

std::size_t open_inotifies() {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (fs::read_symlink(entry.path(), gone).string().find("inotify") != std::string::npos) ++count;
  }
  return count;
}

void append(const fs::path& file) {
  std::ofstream(file, std::ios::app) << "line\n";
}

Task<void> await_news(FollowerPtr follower) {
  constexpr auto kHang = 20s;
  while (follower->idle() && follower->watched) {
    follower->changed.expires_after(kHang);
    const auto [error] = co_await follower->changed.async_wait(asio::as_tuple(asio::use_awaitable));
    REQUIRE(error == asio::error::operation_aborted);
  }
}

/// Runs `body` as a coroutine of a loop.
template <class Body>
void run(asio::io_context& loop, Body body) {
  std::exception_ptr failure;
  asio::co_spawn(loop, body(), [&](std::exception_ptr error) { failure = std::move(error); });
  loop.restart();
  loop.run_for(60s);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

TEST_CASE("followers are told which files are written, by one descriptor", "[log_watch]") {
  const TemporaryDirectory directory;
  const auto log = directory / "web-out.log";
  append(log);
  asio::io_context loop;
  Worker worker("reading");
  LogWatch watch(loop, worker);
  const auto before = open_inotifies();
  run(loop, [&]() -> Task<void> {
    auto following = watch.follow({directory.path()});
    auto one = co_await std::move(following);
    auto another_following = watch.follow({directory.path()});
    auto other = co_await std::move(another_following);
    REQUIRE(one->watched);
    append(log);
    append(directory / "web-out.log.index");
    append(directory / "new-out.log");
    for (const auto& follower : {one, other}) {
      auto news = await_news(follower);
      co_await std::move(news);
      CHECK(follower->written == std::set<fs::path>{log, directory / "new-out.log"});
      CHECK(follower->created == std::set<fs::path>{directory / "new-out.log"});
    }
    CHECK(open_inotifies() <= before + 2);
    // With the last follower it ends, at the next event.
    one.reset();
    other.reset();
    append(log);
  });
  CHECK(open_inotifies() == before);
}

TEST_CASE("a directory that isn't there isn't watched, until it is", "[log_watch]") {
  const TemporaryDirectory directory;
  const auto logs = directory / "logs";
  asio::io_context loop;
  Worker worker("reading");
  LogWatch watch(loop, worker);
  run(loop, [&]() -> Task<void> {
    auto following = watch.follow({logs});
    auto follower = co_await std::move(following);
    CHECK_FALSE(follower->watched);
    fs::create_directory(logs);
    auto renewing = watch.renew(follower);
    const bool renewed = co_await std::move(renewing);
    CHECK(renewed);
    fs::remove(logs);
    auto news = await_news(follower);
    co_await std::move(news);
    CHECK_FALSE(follower->watched);
    follower.reset();
    fs::create_directory(logs);
    loop.stop();
  });
}
