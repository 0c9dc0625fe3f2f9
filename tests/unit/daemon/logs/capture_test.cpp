#include "daemon/logs/capture.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <future>
#include <grp.h>
#include <poll.h>
#include <random>
#include <sstream>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/unit/daemon/logs/log_scene.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;

namespace {

std::string random_bytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

}  // namespace

TEST_CASE("capture carries each byte, of both streams", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path() / "logs");
  const auto out = random_bytes(3'000'000, 1);
  const auto err = random_bytes(2'000'001, 2);
  {
    auto ends = scene.open();
    std::thread writer([&] { write_to(ends.out.get(), out); });
    write_to(ends.err.get(), err);
    writer.join();
  }
  const auto out_file = scene.out_file();
  const auto err_file = scene.err_file();
  CHECK(out_file.filename() == "app-out.log");
  CHECK(err_file.filename() == "app-err.log");
  scene.capture.reset();
  CHECK((read_file(out_file) == out));
  CHECK((read_file(err_file) == err));
}

TEST_CASE("log files are for the daemon and its readers", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path() / "deep" / "logs");
  const auto ends = scene.open();
  const auto file = scene.out_file();
  scene.capture.reset();

  struct stat facts {};
  REQUIRE(::stat(file.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0640);
  const struct group* adm = ::geteuid() == 0 ? ::getgrnam("adm") : nullptr;
  if (adm != nullptr) CHECK(facts.st_gid == adm->gr_gid);
  REQUIRE(::stat(file.parent_path().c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0750);
}

TEST_CASE("eight instances write to one file without loss", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  constexpr int kWriters = 8;
  constexpr int kLines = 4000;
  {
    std::vector<std::thread> writers;
    for (int id = 0; id < kWriters; ++id) {
      writers.emplace_back([id, ends = scene.open()] {
        for (int i = 0; i < kLines; ++i) {
          write_to(ends.out.get(), std::to_string(id) + " " + std::to_string(i) + "\n");
        }
      });
    }
    for (auto& writer : writers) writer.join();
  }
  const auto file = scene.out_file();
  scene.capture.reset();

  std::vector<int> next(kWriters, 0);
  std::istringstream lines(read_file(file));
  for (int id = 0, number = 0; lines >> id >> number;) {
    REQUIRE(id < kWriters);
    REQUIRE(number == next[static_cast<std::size_t>(id)]++);
  }
  for (const int count : next) CHECK(count == kLines);
}

TEST_CASE("an app outlives its capture: no SIGPIPE, and its bytes wait", "[logs]") {
  const TemporaryDirectory directory;
  auto scene = std::make_optional<Scene>(directory.path());
  const auto ends = scene->open();
  scene.reset();
  write_to(ends.out.get(), "nobody listens\n");
  int held = 0;
  REQUIRE(::ioctl(ends.out.get(), FIONREAD, &held) == 0);
  CHECK(held == 15);
}

TEST_CASE("last_lines shows the last words of a generation", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  const auto before = scene.open(1);
  write_to(before.err.get(), "of an earlier life\n");
  CHECK(scene.last_lines(5, 1) == "of an earlier life");

  const auto ends = scene.open(2);
  CHECK(scene.last_lines(5, 2).empty());
  write_to(ends.out.get(), "Listening\n");
  CHECK(scene.last_lines(5, 2) == "Listening");  // nothing on stderr

  write_to(ends.err.get(), "one\ntwo\n\x1b[31mthree\x1b[0m\n");
  CHECK(scene.last_lines(2, 2) == "two\nthree");
  CHECK(scene.last_lines(9, 2) == "one\ntwo\nthree");

  SECTION("at most 4 KiB, whole lines") {
    write_to(ends.err.get(), numbered_lines(0, 5000));
    const auto tail = scene.last_lines(10'000, 2);
    CHECK(tail.size() <= 4096);
    CHECK(tail.size() > 4000);
    CHECK(tail.rfind("line ", 0) == 0);
    CHECK(tail.substr(tail.size() - 9) == "line 4999");
  }
  SECTION("the file was emptied") {
    fs::resize_file(scene.err_file(), 0);
    write_to(ends.err.get(), "new\n");
    CHECK(scene.last_lines(9, 2) == "new");
  }
  SECTION("others write to the same file") {
    const auto other = scene.open(2, 1);
    write_to(other.err.get(), "of the neighbour\n");
    CHECK(scene.last_lines(9, 2, 1) == "of the neighbour");
    write_to(before.err.get(), "late words\n");
    CHECK(scene.last_lines(9, 1) == "of an earlier life\nlate words");
    CHECK(scene.last_lines(9, 2) == "one\ntwo\nthree");
  }
}

TEST_CASE("a log disk that hangs holds up nobody who asks", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  const auto ends = scene.open();
  std::promise<void> disk_answers;
  boost::asio::post(scene.worker.context(), [&] { disk_answers.get_future().wait(); });

  write_to(ends.err.get(), "written in the meantime\n");
  CHECK(scene.last_lines(3).empty());
  disk_answers.set_value();
  CHECK(scene.last_lines(3) == "written in the meantime");
}

TEST_CASE("a file that is replaced, cut or removed goes on", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path() / "logs");
  const auto ends = scene.open();
  const auto file = scene.out_file();
  const auto settle = [&] { scene.settle(); };
  write_to(ends.out.get(), "before\n");
  settle();
  REQUIRE(read_file(file) == "before\n");

  SECTION("removed") {
    fs::remove(file);
  }
  SECTION("renamed, as logrotate does") {
    fs::rename(file, directory.path() / "old");
    write_to(ends.out.get(), "after\n");
    settle();
    CHECK(read_file(directory.path() / "old") == "before\n");
    CHECK(read_file(file) == "after\n");
    return;
  }
  SECTION("cut to nothing") {
    fs::resize_file(file, 0);
  }
  SECTION("the directory is gone") {
    fs::remove_all(file.parent_path());
  }
  write_to(ends.out.get(), "after\n");
  settle();
  CHECK(read_file(file) == "after\n");
}

TEST_CASE("what somebody else appends stays", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  const auto ends = scene.open();
  const auto file = scene.out_file();
  const auto settle = [&] { scene.settle(); };
  write_to(ends.out.get(), "one\n");
  settle();
  std::ofstream(file, std::ios::app) << "two\n";
  write_to(ends.out.get(), "three\n");
  settle();
  CHECK(read_file(file) == "one\ntwo\nthree\n");
}

TEST_CASE("a full disk costs lines, which are counted, and never holds up the app", "[logs]") {
  const auto disk = SmallDisk::make(512 << 10);
  if (!disk) return;
  Scene scene(disk->path());
  const auto file = scene.out_file();
  const auto filler = disk->path() / "filler";
  write_file(filler, std::string(300 << 10, 'x'));

  const auto first = numbered_lines(0, 200'000);  // more than disk and pipe hold together
  std::string second;
  {
    const auto ends = scene.open();
    write_to(ends.out.get(), first);
    REQUIRE(wait_until_empty(ends.out));
    fs::remove(filler);
    // Until the worker has seen that there is room, lines are still dropped.
    for (int number = 200'000; read_file(file).find("[dixis]") == std::string::npos; ++number) {
      REQUIRE(number < 300'000);
      const auto next = numbered_lines(number, number + 1);
      write_to(ends.out.get(), next);
      second += next;
      scene.settle();
    }
  }
  scene.capture.reset();

  // The relief may have been at work still when the first gap line was written: then there are two.
  const auto gaps = take_gaps(read_file(file));
  CHECK(gaps.why == "No space left on device");
  REQUIRE(gaps.bytes > 0);
  // Between two drops there may have been room for some lines.
  CHECK(gaps.rest.size() + gaps.bytes == first.size() + second.size());
  const auto lines_of = [](const std::string& text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  };
  CHECK(lines_of(gaps.rest) + gaps.lines == lines_of(first + second));
  std::istringstream rest(gaps.rest);
  std::istringstream all(first + second);
  std::string line;
  for (std::string wanted; std::getline(rest, wanted);) {  // whole lines, in order
    while (std::getline(all, line) && line != wanted) {
    }
    REQUIRE(line == wanted);
  }
}

TEST_CASE("a directory in the place of the file: counted, and told once it is away", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  const auto file = scene.err_file();
  fs::create_directory(file);
  const auto lines = numbered_lines(0, 200'000);
  {
    const auto ends = scene.open();
    write_to(ends.err.get(), lines);
    REQUIRE(wait_until_empty(ends.err));
  }
  fs::remove(file);
  {
    const auto ends = scene.open();  // the next generation
    write_to(ends.err.get(), "back\n");
  }
  scene.capture.reset();
  const auto gaps = take_gaps(read_file(file));
  CHECK(gaps.lines == 200'000);
  CHECK(gaps.bytes == lines.size());
  CHECK(gaps.why == "Is a directory");
  CHECK(gaps.rest == "back\n");
}

TEST_CASE("adopt refuses what isn't a pipe of ours", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  CHECK_FALSE(scene.adopt(2'000'000'000).has_value());  // no such process
  CHECK_FALSE(scene.adopt(::getpid()).has_value());
}

TEST_CASE("adopt carries on with the pipe that is left, though the other was redirected",
          "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  auto ends = scene.open();
  int go[2];
  int ready[2];
  REQUIRE(::pipe(go) == 0);
  REQUIRE(::pipe(ready) == 0);
  const pid_t app = ::fork();
  if (app == 0) {
    ::dup2(ends.out.get(), STDOUT_FILENO);
    ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
    char byte = 0;
    const bool told = ::write(ready[1], "x", 1) == 1 && ::read(go[0], &byte, 1) == 1;
    // More than a pipe holds: without a reader it would wait for ever.
    const std::string lines(4U << 20U, '\n');
    const auto size = static_cast<ssize_t>(lines.size());
    ::_exit(told && ::write(STDOUT_FILENO, lines.data(), lines.size()) == size ? 0 : 1);
  }
  ends = {};
  scene.capture.reset();
  scene.begin();
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);   // its descriptors are in place
  CHECK_FALSE(scene.adopt(app).has_value());  // it says which one is not ours
  REQUIRE(::write(go[1], "x", 1) == 1);
  int status = -1;
  ::waitpid(app, &status, 0);
  CHECK(status == 0);
}
