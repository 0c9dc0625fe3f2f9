// What a killed daemon was writing, and what the next one makes of it.
#include "daemon/logs/intent.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "daemon/logs/log_pipe.hpp"
#include "daemon/logs/pipe.hpp"
#include "tests/unit/daemon/logs/log_scene.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

/// A pipe with twelve bytes, of which the first six are on their way to a file of three.
struct UnderWay {
  UnderWay() {
    write_file(log, "one");
    struct stat facts {};
    if (::stat(log.c_str(), &facts) != 0) throw std::runtime_error("stat failed");
    auto made = make_app_pipe().value();
    app_end = std::move(made.app_end);
    pipe =
        std::make_shared<LogPipe>(std::move(made.read_end), LogSource{"app", 0, 1}, LogStream::out);
    pipe->report_to(losses, LogSettings::WhenFull::drop);
    write_to(app_end.get(), "second third");
    before.emplace(file);
    const auto seen = before->buffer().first(pipe->look(lens, before->buffer()));
    pipe->begin(*before, {pipe->inode(), log, facts.st_dev, facts.st_ino, 3, 6, 6}, seen);
  }

  /// Killed here: the next one begins.
  std::string next() {
    before.reset();
    LogIntent intent(file);
    intent.recover();
    pipe->take_written(lens, intent);
    CHECK(intent.already_written(pipe->inode()) == 0);
    return {intent.buffer().data(), lens.look(pipe->fd(), intent.buffer())};
  }

  TemporaryDirectory directory{};
  std::filesystem::path file = directory.path() / "intent";
  std::filesystem::path log = directory.path() / "log";
  PipeLens lens{};
  std::shared_ptr<Losses> losses = std::make_shared<Losses>();
  std::shared_ptr<LogPipe> pipe{};
  UniqueFd app_end{};
  std::optional<LogIntent> before{};
};

}  // namespace

TEST_CASE("killed before anything was written: all is still in the pipe", "[logs]") {
  UnderWay scene;
  CHECK(scene.next() == "second third");
  CHECK(read_file(scene.log) == "one");
}

TEST_CASE("killed within the write: the half is cut off, the pipe has it", "[logs]") {
  UnderWay scene;
  write_file(scene.log, "onesec");
  CHECK(scene.next() == "second third");
  CHECK(read_file(scene.log) == "one");
}

TEST_CASE("killed after the write: what is written leaves the pipe", "[logs]") {
  UnderWay scene;
  write_file(scene.log, "onesecond");
  SECTION("before it was to be taken") {}
  SECTION("when it was about to be") {
    scene.before->taking();
  }
  CHECK(scene.next() == " third");
  CHECK(read_file(scene.log) == "onesecond");
}

TEST_CASE("killed after the taking: nothing is taken twice", "[logs]") {
  UnderWay scene;
  write_file(scene.log, "onesecond");
  scene.before->taking();
  REQUIRE(::read(scene.pipe->fd(), scene.before->buffer().data(), 6) == 6);
  CHECK(scene.next() == " third");
}

TEST_CASE("killed twice: a pipe that nobody has taken back yet isn't forgotten", "[logs]") {
  UnderWay scene;
  write_file(scene.log, "onesecond");
  scene.before.reset();
  {
    LogIntent second(scene.file);
    second.recover();
    // It writes for another pipe, and is killed in that.
    second.begin({.pipe = 1, .path = scene.log, .bytes = 5, .source = 5});
  }
  CHECK(scene.next() == " third");
}

TEST_CASE("a file that is another one by now is left alone", "[logs]") {
  UnderWay scene;
  write_file(scene.log.string() + ".new", "other bytes");
  std::filesystem::rename(scene.log.string() + ".new", scene.log);
  CHECK(scene.next() == "second third");
  CHECK(read_file(scene.log) == "other bytes");
}
