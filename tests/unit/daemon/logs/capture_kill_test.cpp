// A carrier that is killed, again and again, while an app writes: no byte lost, none doubled.
#include <random>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sstream>
#include <string>
#include <sys/wait.h>

#include <catch2/catch.hpp>

#include "daemon/logs/capture.hpp"
#include "tests/unit/daemon/logs/log_scene.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

constexpr int kKills = 100;
const LogSource kSource{"app", 0, 1};
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
  // Little waits in it at a kill, so that many kills don't make a large log.
  ::fcntl(STDOUT_FILENO, F_SETPIPE_SZ, 1 << 16);
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
[[noreturn]] void carry_until_killed(const std::filesystem::path& logs, const LogSettings& settings,
                                     pid_t app, const UniqueFd& told) {
  Worker worker("logs");
  Capture capture(worker, {logs, logs});
  const char taken = capture.adopt(kSource, settings, app) ? 'y' : 'n';
  if (::write(told.get(), &taken, 1) != 1) ::_exit(1);
  for (;;) ::pause();
}

void end(pid_t process) {
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
}

pid_t start_carrier(const std::filesystem::path& logs, const LogSettings& settings, pid_t app) {
  const SimplePipe told;
  const pid_t carrier = ::fork();
  if (carrier == 0) carry_until_killed(logs, settings, app, told.write_end);
  char taken = 0;
  const bool answered = ::read(told.read_end.get(), &taken, 1) == 1;
  if (taken != 'y') end(carrier);  // other tests wait for all children
  REQUIRE(answered);
  REQUIRE(taken == 'y');
  return carrier;
}

/// Of "TIME 0 out | ".
std::string without_prefixes(const std::string& log) {
  std::string out;
  std::istringstream lines(log);
  for (std::string text; std::getline(lines, text);) {
    const auto end = text.find(" | ");
    REQUIRE(end != std::string::npos);
    out.append(text, end + 3) += '\n';
  }
  return out;
}

}  // namespace

TEST_CASE("100 kills of the carrier lose and double no byte", "[logs]") {
  INFO("seed " << kSeed);
  auto settings = default_log_settings("app");
  settings.keep = 1'000'000;
  settings.max_total = std::uint64_t{1} << 40U;
  settings.max_size = settings.max_total;
  SECTION("in one file") {}
  SECTION("through rotations") {
    settings.max_size = 1U << 20U;
  }
  SECTION("format: text") {
    settings.format = LogSettings::Format::text;
  }
  const TemporaryDirectory directory;
  SimplePipe stop;
  SimplePipe told;
  ::fcntl(stop.read_end.get(), F_SETFL, O_NONBLOCK);
  pid_t app = -1;
  {
    Worker worker("logs");
    Capture capture(worker, {directory.path(), directory.path()});
    const auto ends = capture.open(kSource, settings).value();
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
    const pid_t carrier = start_carrier(directory.path(), settings, app);
    ::usleep(static_cast<useconds_t>(random() % 3000));  // the moment of the kill
    end(carrier);
  }

  // The last one carries to the end; it is here, so that its end can be awaited.
  std::uint64_t count = 0;
  {
    Worker worker("logs");
    Capture capture(worker, {directory.path(), directory.path()});
    REQUIRE(capture.adopt(kSource, settings, app).has_value());
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
  const bool text = settings.format == LogSettings::Format::text;
  const auto carried = [&](const char* name) {
    const auto all = all_of(directory.path() / name);
    return text ? without_prefixes(all) : all;
  };
  CHECK((carried("app-out.log") == out));
  CHECK((carried("app-err.log") == err));
}
