// A carrier that is killed, again and again, while an app writes: no byte lost, none doubled.
#include <random>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <string>
#include <sys/wait.h>

#include <catch2/catch.hpp>

#include "daemon/logs/capture.hpp"
#include "tests/unit/daemon/logs/support.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

constexpr int kKills = 200;
constexpr unsigned kSeed = 20'260'102;

struct SimplePipe {
  SimplePipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
  UniqueFd read_end{};
  UniqueFd write_end{};
};

std::string line(std::uint64_t number) {
  std::string text = std::to_string(number) + " ";
  text.append(number * 7919 % 211, static_cast<char>('a' + number % 26));
  return text + "\n";
}

/// The app: numbered lines to stdout, and now and then to stderr, until `stop` is closed.
[[noreturn]] void write_lines(const CaptureEnds& ends, const UniqueFd& stop, const UniqueFd& told) {
  ::dup2(ends.out.get(), STDOUT_FILENO);
  ::dup2(ends.err.get(), STDERR_FILENO);
  if (::write(told.get(), "r", 1) != 1) ::_exit(1);  // from here on it can be taken back
  std::uint64_t number = 0;
  char byte = 0;
  for (; ::read(stop.get(), &byte, 1) != 0; ++number) {
    const std::string text = line(number);
    const auto size = static_cast<ssize_t>(text.size());
    if (::write(STDOUT_FILENO, text.data(), text.size()) != size) ::_exit(1);
    if (number % 16 == 0 && ::write(STDERR_FILENO, text.data(), text.size()) != size) ::_exit(1);
  }
  if (::write(told.get(), &number, sizeof number) != sizeof number) ::_exit(1);
  ::_exit(0);
}

/// A daemon that takes the app back and carries until it is killed.
[[noreturn]] void carry_until_killed(const std::filesystem::path& logs, pid_t app,
                                     const UniqueFd& told) {
  Worker worker("logs");
  Capture capture(worker, logs);
  const char taken = capture.adopt("app", app) ? 'y' : 'n';
  if (::write(told.get(), &taken, 1) != 1) ::_exit(1);
  for (;;) ::pause();
}

void end(pid_t process) {
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
}

pid_t start_carrier(const std::filesystem::path& logs, pid_t app) {
  const SimplePipe told;
  const pid_t carrier = ::fork();
  if (carrier == 0) carry_until_killed(logs, app, told.write_end);
  char taken = 0;
  const bool answered = ::read(told.read_end.get(), &taken, 1) == 1;
  if (taken != 'y') end(carrier);  // other tests wait for all children
  REQUIRE(answered);
  REQUIRE(taken == 'y');
  return carrier;
}

}  // namespace

TEST_CASE("200 kills of the carrier lose and double no byte", "[logs]") {
  INFO("seed " << kSeed);
  const TemporaryDirectory directory;
  SimplePipe stop;
  SimplePipe told;
  ::fcntl(stop.read_end.get(), F_SETFL, O_NONBLOCK);
  pid_t app = -1;
  {
    Worker worker("logs");
    Capture capture(worker, directory.path());
    const auto ends = capture.open("app").value();
    app = ::fork();
    if (app == 0) {
      stop.write_end.reset();
      write_lines(ends, stop.read_end, told.write_end);
    }
  }
  told.write_end.reset();
  char ready = 0;
  REQUIRE(::read(told.read_end.get(), &ready, 1) == 1);

  std::mt19937 random(kSeed);
  for (int i = 0; i < kKills; ++i) {
    const pid_t carrier = start_carrier(directory.path(), app);
    ::usleep(static_cast<useconds_t>(random() % 3000));  // the moment of the kill
    end(carrier);
  }

  // The last one carries to the end; it is here, so that its end can be awaited.
  std::uint64_t count = 0;
  {
    Worker worker("logs");
    Capture capture(worker, directory.path());
    REQUIRE(capture.adopt("app", app).has_value());
    stop.write_end.reset();
    REQUIRE(::read(told.read_end.get(), &count, sizeof count) == sizeof count);
    ::waitpid(app, nullptr, 0);
  }
  std::string out;
  std::string err;
  for (std::uint64_t number = 0; number < count; ++number) {
    out += line(number);
    if (number % 16 == 0) err += line(number);
  }
  CHECK(count > 1000);
  CHECK((read_file(directory.path() / "app-out.log") == out));
  CHECK((read_file(directory.path() / "app-err.log") == err));
}
