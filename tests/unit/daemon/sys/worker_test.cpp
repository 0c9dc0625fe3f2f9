#include "daemon/sys/worker.hpp"

#include <csignal>
#include <future>
#include <pthread.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <catch2/catch.hpp>

#include "support.hpp"

using namespace dixis;
using namespace dixis::test;
using asio::experimental::awaitable_operators::operator||;

TEST_CASE("a worker gives back values, nothing, and exceptions", "[sys][worker]") {
  asio::io_context io;
  Worker worker("slow");
  CHECK(await_on(io, worker.run([] { return 42; })) == 42);

  bool ran = false;
  await_on(io, worker.run([&ran] { ran = true; }));
  CHECK(ran);

  CHECK_THROWS_WITH(
      await_on(io, worker.run([]() -> int { throw std::runtime_error("no such disk"); })),
      "no such disk");

  auto owned = std::make_unique<int>(7);
  const auto back =
      await_on(io, worker.run([p = std::move(owned)]() mutable { return std::move(p); }));
  CHECK(*back == 7);
}

TEST_CASE("the function runs on the worker, the caller goes on on its own thread",
          "[sys][worker]") {
  asio::io_context io;
  Worker worker("a name that is too long");
  const auto here = std::this_thread::get_id();
  const auto task = [&]() -> Task<bool> {
    const auto there = co_await worker.run([] { return std::this_thread::get_id(); });
    const bool moved = there != here;
    co_return moved&& std::this_thread::get_id() == here;
  };
  CHECK(await_on(io, task()));
  const auto name = await_on(io, worker.run([] {
    std::array<char, 16> text{};
    pthread_getname_np(pthread_self(), text.data(), text.size());
    return std::string(text.data());
  }));
  CHECK(name == "a name that is ");
}

TEST_CASE("functions run one after another, in order", "[sys][worker]") {
  asio::io_context io;
  Worker worker("slow");
  std::vector<int> order;
  int done = 0;
  for (int i = 0; i < 100; ++i) {
    asio::co_spawn(io, worker.run([&order, i] { order.push_back(i); }),
                   [&done](const std::exception_ptr&) { ++done; });
  }
  io.run();
  CHECK(done == 100);
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK(order.size() == 100);
}

TEST_CASE("a caller can leave while the function hangs", "[sys][worker]") {
  asio::io_context io;
  std::promise<void> hang;
  auto freed = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = freed;
  {
    Worker worker("slow");
    const auto impatient = [&]() -> Task<std::size_t> {
      asio::steady_timer deadline(io, std::chrono::milliseconds(1));
      auto hanging = [future = hang.get_future(), owned = std::move(freed)]() mutable {
        future.wait();
        return 1;
      };
      auto call = worker.run(std::move(hanging));
      const auto first = co_await (std::move(call) || deadline.async_wait(asio::use_awaitable));
      co_return first.index();
    };
    CHECK(await_on(io, impatient()) == 1);
    CHECK_FALSE(watch.expired());  // the function still owns what it uses
    hang.set_value();
  }
  CHECK(watch.expired());
  io.restart();
  io.run();  // the late result finds nobody
}

TEST_CASE("a loop that ends in the middle takes its callers along", "[sys][worker]") {
  auto io = std::make_unique<asio::io_context>();
  auto worker = std::make_unique<Worker>("slow");
  auto frame = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = frame;
  std::promise<void> started;
  std::promise<void> go;
  bool resumed = false;
  const auto caller = [](Worker& w, std::shared_ptr<int> /*kept by the frame*/,
                         std::promise<void>& begun, std::promise<void>& wait,
                         bool& after) -> Task<void> {
    co_await w.run([&begun, &wait] {
      begun.set_value();
      wait.get_future().wait();
    });
    after = true;
  };
  asio::co_spawn(*io, caller(*worker, std::move(frame), started, go, resumed), asio::detached);
  io->poll();
  started.get_future().wait();
  go.set_value();
  SECTION("worker first, as in the daemon") {
    worker.reset();
  }
  SECTION("the caller's frame first") {}
  worker.reset();
  io.reset();
  CHECK(watch.expired());
  CHECK_FALSE(resumed);
}

TEST_CASE("destroying a worker ends after the function under way", "[sys][worker]") {
  asio::io_context io;
  std::promise<void> started;
  std::promise<void> go;
  int ran = 0;
  std::string second_error;
  {
    Worker worker("slow");
    asio::co_spawn(io, worker.run([&] {
      started.set_value();
      go.get_future().wait();
      ++ran;
    }),
                   asio::detached);
    asio::co_spawn(io, worker.run([&ran] { ran += 100; }), [&](const std::exception_ptr& error) {
      try {
        if (error) std::rethrow_exception(error);
      } catch (const boost::system::system_error& caught) {
        if (caught.code() == asio::error::operation_aborted) second_error = "aborted";
      }
    });
    io.poll();
    started.get_future().wait();
    // Stop first, so that the second can't start; the destructor then waits for the first.
    worker.context().stop();
    go.set_value();
  }
  CHECK(ran == 1);
  io.restart();
  io.run();
  CHECK(second_error == "aborted");  // who still asks is told
}

TEST_CASE("no signal comes to a worker", "[sys][worker]") {
  asio::io_context io;
  Worker worker("slow");
  CHECK(await_on(io, worker.run([] {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGCHLD) == 1 &&
           sigismember(&mask, SIGPIPE) == 1;
  })));
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  CHECK(sigismember(&mask, SIGTERM) == 0);
}
