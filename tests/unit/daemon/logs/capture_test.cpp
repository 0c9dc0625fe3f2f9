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

#include "tests/unit/daemon/logs/support.hpp"

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

/// Writes as an app does: blocking, in pieces of odd sizes.
void write_to(int fd, const std::string& bytes, std::size_t piece = 3001) {
  for (std::size_t done = 0; done < bytes.size();) {
    const auto count = ::write(fd, bytes.data() + done, std::min(piece, bytes.size() - done));
    if (count <= 0) throw std::runtime_error("write to the pipe failed");
    done += static_cast<std::size_t>(count);
  }
}

std::string numbered_lines(int from, int to) {
  std::string text;
  for (int i = from; i < to; ++i) text += "line " + std::to_string(i) + "\n";
  return text;
}

/// Waits until the daemon's side has emptied the pipe; there is no event for that.
bool wait_until_empty(const UniqueFd& end) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  int held = 1;
  while (std::chrono::steady_clock::now() < deadline) {
    if (::ioctl(end.get(), FIONREAD, &held) == 0 && held == 0) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

/// A loop, the log worker, and a capture that can be ended early: then all has been written.
struct Scene {
  explicit Scene(fs::path directory)
      : worker("logs"), capture(std::in_place, worker, std::move(directory)) {}

  std::string last_lines(const CaptureMark& mark, int lines) {
    return run_task(loop, capture->last_lines(mark, lines));
  }
  CaptureMark mark(const std::string& app) { return run_task(loop, capture->mark(app)); }

  boost::asio::io_context loop{};
  Worker worker;
  std::optional<Capture> capture;
};

}  // namespace

TEST_CASE("capture carries each byte, of both streams", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path() / "logs");
  const auto out = random_bytes(3'000'000, 1);
  const auto err = random_bytes(2'000'001, 2);
  {
    auto ends = scene.capture->open("app").value();
    std::thread writer([&] { write_to(ends.out.get(), out); });
    write_to(ends.err.get(), err);
    writer.join();
  }
  const auto out_file = scene.capture->out_file("app");
  const auto err_file = scene.capture->err_file("app");
  CHECK(out_file.filename() == "app-out.log");
  CHECK(err_file.filename() == "app-err.log");
  scene.capture.reset();
  CHECK((read_file(out_file) == out));
  CHECK((read_file(err_file) == err));
}

TEST_CASE("log files are for the daemon and its readers", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path() / "deep" / "logs");
  const auto ends = scene.capture->open("app").value();
  const auto file = scene.capture->out_file("app");
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
      writers.emplace_back([id, ends = scene.capture->open("app").value()] {
        for (int i = 0; i < kLines; ++i) {
          write_to(ends.out.get(), std::to_string(id) + " " + std::to_string(i) + "\n");
        }
      });
    }
    for (auto& writer : writers) writer.join();
  }
  const auto file = scene.capture->out_file("app");
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
  const auto ends = scene->capture->open("app").value();
  scene.reset();
  write_to(ends.out.get(), "nobody listens\n");
  int held = 0;
  REQUIRE(::ioctl(ends.out.get(), FIONREAD, &held) == 0);
  CHECK(held == 15);
}

TEST_CASE("last_lines shows the last words of a generation", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  const auto ends = scene.capture->open("app").value();
  write_to(ends.err.get(), "of an earlier life\n");
  REQUIRE(wait_until_empty(ends.err));
  scene.last_lines({scene.capture->out_file("app"), scene.capture->err_file("app")}, 1);

  const auto mark = scene.mark("app");
  CHECK(mark.err_offset == 19);
  CHECK(scene.last_lines(mark, 5).empty());

  write_to(ends.out.get(), "Listening\n");
  CHECK(scene.last_lines(mark, 5) == "Listening");  // nothing on stderr

  write_to(ends.err.get(), "one\ntwo\n\x1b[31mthree\x1b[0m\n");
  CHECK(scene.last_lines(mark, 2) == "two\nthree");
  CHECK(scene.last_lines(mark, 9) == "one\ntwo\nthree");

  SECTION("at most 4 KiB, whole lines") {
    write_to(ends.err.get(), numbered_lines(0, 5000));
    const auto tail = scene.last_lines(mark, 10'000);
    CHECK(tail.size() <= 4096);
    CHECK(tail.size() > 4000);
    CHECK(tail.rfind("line ", 0) == 0);
    CHECK(tail.substr(tail.size() - 9) == "line 4999");
  }
  SECTION("the file was emptied since the mark") {
    fs::resize_file(scene.capture->err_file("app"), 0);
    write_to(ends.err.get(), "new\n");
    CHECK(scene.last_lines(mark, 9) == "new");
  }
}

TEST_CASE("a log disk that hangs holds up nobody who asks", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  const auto ends = scene.capture->open("app").value();
  const auto before = scene.mark("app");
  std::promise<void> disk_answers;
  boost::asio::post(scene.worker.context(), [&] { disk_answers.get_future().wait(); });

  write_to(ends.err.get(), "written in the meantime\n");
  const auto unknown = scene.mark("app");
  CHECK(unknown.err_file == scene.capture->err_file("app"));
  CHECK(scene.last_lines(before, 3).empty());
  disk_answers.set_value();
  CHECK(scene.last_lines(before, 3) == "written in the meantime");
  CHECK(scene.last_lines(unknown, 3).empty());  // whose lines these are can't be told
}

TEST_CASE("a file that is replaced, cut or removed goes on", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path() / "logs");
  const auto ends = scene.capture->open("app").value();
  const auto file = scene.capture->out_file("app");
  const auto settle = [&] { scene.last_lines({file, scene.capture->err_file("app")}, 1); };
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
  const auto ends = scene.capture->open("app").value();
  const auto file = scene.capture->out_file("app");
  const auto settle = [&] { scene.last_lines({file, scene.capture->err_file("app")}, 1); };
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
  const auto file = scene.capture->out_file("app");
  const auto filler = disk->path() / "filler";
  write_file(filler, std::string(300 << 10, 'x'));

  const auto first = numbered_lines(0, 200'000);  // more than disk and pipe hold together
  const auto second = numbered_lines(200'000, 200'100);
  {
    const auto ends = scene.capture->open("app").value();
    write_to(ends.out.get(), first);
    REQUIRE(wait_until_empty(ends.out));
    fs::remove(filler);
    write_to(ends.out.get(), second);
  }
  scene.capture.reset();

  const auto log = read_file(file);
  const auto line = log.find("[dixis] ");
  REQUIRE(line != std::string::npos);
  const auto rest = log.find('\n', line) + 1;
  long lost_lines = 0;
  std::size_t lost_bytes = 0;
  REQUIRE(std::sscanf(log.c_str() + line, "[dixis] %ld lines (%zu bytes) were lost between ",
                      &lost_lines, &lost_bytes) == 2);
  CHECK_THAT(log.substr(line, rest - line), Catch::EndsWith("Z: No space left on device\n"));
  REQUIRE(lost_bytes < first.size());
  const auto kept = first.size() - lost_bytes;
  const auto lost = first.substr(kept);
  CHECK(std::count(lost.begin(), lost.end(), '\n') == lost_lines);
  // A line that was cut off in the middle is ended before ours begins.
  const std::string before = first.substr(0, kept) + (first[kept - 1] == '\n' ? "" : "\n");
  CHECK((log.substr(0, line) == before));
  CHECK((log.substr(rest) == second));
}

TEST_CASE("a directory in the place of the file: counted, and told once it is away", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  const auto file = scene.capture->err_file("app");
  fs::create_directory(file);
  const auto lines = numbered_lines(0, 200'000);
  {
    const auto ends = scene.capture->open("app").value();
    write_to(ends.err.get(), lines);
    REQUIRE(wait_until_empty(ends.err));
  }
  fs::remove(file);
  {
    const auto ends = scene.capture->open("app").value();  // the next generation
    write_to(ends.err.get(), "back\n");
  }
  scene.capture.reset();
  const auto log = read_file(file);
  CHECK_THAT(log, Catch::StartsWith("[dixis] 200000 lines (" + std::to_string(lines.size()) +
                                    " bytes) were lost between "));
  CHECK_THAT(log, Catch::EndsWith(": Is a directory\nback\n"));
}

TEST_CASE("adopt refuses what isn't a pipe of ours", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  CHECK_FALSE(scene.capture->adopt("app", 2'000'000'000).has_value());  // no such process
  CHECK_FALSE(scene.capture->adopt("app", ::getpid()).has_value());
}

TEST_CASE("adopt carries on with the pipe that is left, though the other was redirected",
          "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  auto ends = scene.capture->open("app").value();
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
  scene.capture.emplace(scene.worker, directory.path());
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);                   // its descriptors are in place
  CHECK_FALSE(scene.capture->adopt("app", app).has_value());  // it says which one is not ours
  REQUIRE(::write(go[1], "x", 1) == 1);
  int status = -1;
  ::waitpid(app, &status, 0);
  CHECK(status == 0);
}
