// The worker doesn't come: its pipes are taken over.
#include "daemon/logs/relief.hpp"

#include <atomic>
#include <string>

#include <catch2/catch.hpp>

#include "daemon/logs/pipe.hpp"
#include "tests/unit/daemon/logs/log_scene.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

struct Taken {
  explicit Taken(LogSettings::WhenFull when_full = LogSettings::WhenFull::drop) {
    auto made = make_app_pipe().value();
    app_end = std::move(made.app_end);
    pipe =
        std::make_shared<LogPipe>(std::move(made.read_end), LogSource{"app", 0, 1}, LogStream::out);
    pipe->report_to(losses, when_full);
  }
  std::shared_ptr<Losses> losses = std::make_shared<Losses>();
  std::shared_ptr<LogPipe> pipe{};
  UniqueFd app_end{};
};

std::string look_at(const Taken& taken, const PipeLens& lens, LogIntent& intent) {
  return {intent.buffer().data(), taken.pipe->look(lens, intent.buffer())};
}

}  // namespace

TEST_CASE("what a worker that hangs doesn't take is dropped and counted", "[logs]") {
  const TemporaryDirectory directory;
  LogIntent intent(directory.path() / "intent");
  std::atomic<int> acted = 0;
  Relief relief(intent, [&] { ++acted; });
  const Taken dropping;
  const Taken blocking(LogSettings::WhenFull::block);
  relief.add(dropping.pipe);
  relief.add(blocking.pipe);
  relief.worker_works();  // and never rests

  const auto lines = numbered_lines(0, 500'000);
  write_to(blocking.app_end.get(), std::string(1U << 20U, 'x'), 4096);  // it is full
  write_to(dropping.app_end.get(), lines);
  REQUIRE(wait_until_empty(dropping.app_end));
  REQUIRE(eventually([&] { return dropping.losses->owed().bytes == lines.size(); }));
  CHECK(dropping.losses->owed().lines == 500'000);
  CHECK(dropping.losses->owed().error == 0);
  CHECK(eventually([&] { return acted > 0; }));
  CHECK(bytes_in_pipe(blocking.pipe->fd()) == 1U << 20U);
  CHECK(blocking.losses->owed().empty());
}

TEST_CASE("a worker that rests in between is left alone", "[logs]") {
  const TemporaryDirectory directory;
  LogIntent intent(directory.path() / "intent");
  Relief relief(intent, [] {});
  const Taken taken;
  const Taken other;
  relief.add(taken.pipe);
  relief.worker_works();
  relief.worker_rests();
  write_to(taken.app_end.get(), std::string(1U << 20U, '\n'), 4096);
  // For longer than anything stays full where nobody rests.
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1600);
  while (std::chrono::steady_clock::now() < until) {
    relief.worker_works();
    relief.worker_rests();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK(bytes_in_pipe(taken.pipe->fd()) == 1U << 20U);
}

TEST_CASE("what the worker was writing is its own, though the relief takes it", "[logs]") {
  const TemporaryDirectory directory;
  LogIntent intent(directory.path() / "intent");
  const PipeLens lens;
  const Taken taken;
  const std::string block = "0123456\n";
  std::string all;
  while (all.size() < 1U << 20U) all += block;
  write_to(taken.app_end.get(), all, 4096);
  const std::string seen = look_at(taken, lens, intent).substr(0, 8000);
  REQUIRE(seen == all.substr(0, 8000));
  const std::span<const char> head = std::span<const char>(intent.buffer()).first(8000);
  taken.pipe->begin(intent, {.pipe = taken.pipe->inode(), .source = 8000}, head);

  const auto begun = std::chrono::steady_clock::now();
  CHECK_FALSE(taken.pipe->pressed(begun));
  REQUIRE(taken.pipe->pressed(begun + std::chrono::seconds(1)));
  taken.pipe->drop(intent);
  CHECK(bytes_in_pipe(taken.pipe->fd()) == 0);
  CHECK(taken.losses->owed().bytes == all.size() - 8000);

  SECTION("it arrives after all") {
    taken.pipe->written(intent);
    CHECK(taken.losses->owed().bytes == all.size() - 8000);
    CHECK(taken.losses->owed().lines == (all.size() - 8000) / 8);
  }
  SECTION("it fails") {
    taken.pipe->not_written(head, ENOSPC);
    CHECK(taken.losses->owed().bytes == all.size());
    CHECK(taken.losses->owed().lines == all.size() / 8);
  }
}

TEST_CASE("whole lines are dropped: the rest of one goes after its beginning", "[logs]") {
  const TemporaryDirectory directory;
  LogIntent intent(directory.path() / "intent");
  const PipeLens lens;
  const Taken taken;
  std::string all(1U << 20U, '\n');
  all.back() = 'b';
  write_to(taken.app_end.get(), all, 4096);
  const auto begun = std::chrono::steady_clock::now();
  CHECK_FALSE(taken.pipe->pressed(begun));
  REQUIRE(taken.pipe->pressed(begun + std::chrono::seconds(1)));
  taken.pipe->drop(intent);
  write_to(taken.app_end.get(), "eginning and end\nnext\n");
  CHECK(look_at(taken, lens, intent) == "next\n");
  CHECK(taken.losses->owed().lines == all.size());
  CHECK(taken.losses->owed().bytes == all.size() + 17);

  taken.pipe->not_written({}, 0);
  taken.losses->settle(taken.losses->owed());
  CHECK(taken.losses->owed().empty());
}

TEST_CASE("a gap line says how many, from when to when, and why", "[logs]") {
  Loss loss;
  loss.lines = 120;
  loss.bytes = 34'567;
  loss.first = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'767'323'045'678));
  loss.last = loss.first + std::chrono::milliseconds(3'331);
  loss.error = ENOSPC;
  CHECK(gap_line(loss) ==
        "[dixis] 120 lines (34567 bytes) were lost between 2026-01-02T03:04:05.678Z and "
        "2026-01-02T03:04:09.009Z: No space left on device\n");
  loss.lines = 1;
  loss.bytes = 1;
  loss.error = 0;
  CHECK_THAT(gap_line(loss), Catch::StartsWith("[dixis] 1 line (1 byte) were lost between ") &&
                                 Catch::EndsWith(": the disk is too slow, or hangs\n"));
}

TEST_CASE("a pipe is full when a writer would wait", "[logs]") {
  const auto pipe = make_app_pipe().value();
  CHECK_FALSE(pipe_is_full(pipe.read_end.get()));
  // Each takes a page, of which half is used.
  const std::string half(2100, 'x');
  while (!pipe_is_full(pipe.read_end.get())) write_to(pipe.app_end.get(), half, half.size());
  CHECK(bytes_in_pipe(pipe.read_end.get()) < kPipeBytes);
  CHECK_FALSE(writers_are_gone(pipe.read_end.get()));
}
