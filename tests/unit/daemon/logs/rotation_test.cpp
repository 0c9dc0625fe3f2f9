// Rotation, retention and compression of logs.
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "daemon/logs/compressor.hpp"
#include "tests/unit/daemon/logs/log_scene.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;

namespace {

LogSettings small(std::uint64_t max_size) {
  auto settings = default_log_settings("app");
  settings.max_size = max_size;
  settings.keep = 1000;
  return settings;
}

KeptLog kept(const char* log, std::uint64_t number, std::uint64_t bytes, std::int64_t modified) {
  return {log, number, bytes, modified, false, true};
}

std::vector<std::string> names(const std::vector<KeptLog>& files) {
  std::vector<std::string> out;
  for (const auto& file : files) out.push_back(rotated_log(file.log, file.number));
  return out;
}

}  // namespace

TEST_CASE("a log is rotated at line ends, before it is too large", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path(), small(10'000));
  const auto file = scene.out_file();
  const auto lines = numbered_lines(0, 20'000);
  {
    const auto ends = scene.open();
    write_to(ends.out.get(), lines);
  }
  scene.capture.reset();
  const auto rotated = rotated_of(file);
  CHECK(rotated.size() >= lines.size() / 10'000);
  std::uint64_t number = 0;
  for (const auto& one : rotated) CHECK(one.number == ++number);
  CHECK((all_of(file) == lines));
  CHECK(fs::file_size(file) <= 10'000);
}

TEST_CASE("all rotated files are compressed, and what is in them stays", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path(), small(100'000));
  const auto file = scene.out_file();
  const auto lines = numbered_lines(0, 50'000);
  const auto ends = scene.open();
  write_to(ends.out.get(), lines);
  REQUIRE(wait_until_empty(ends.out));
  REQUIRE(eventually([&] {
    const auto rotated = rotated_of(file);
    return rotated.size() >= 5 && std::none_of(rotated.begin(), rotated.end(),
                                               [](const KeptLog& one) { return one.plain; });
  }));
  struct stat facts {};
  REQUIRE(::stat(compressed_log(rotated_log(file, 1)).c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0640);
  CHECK(facts.st_size < 50'000);
  CHECK(fs::exists(log_index(rotated_log(file, 1))));
  scene.settle();
  CHECK((all_of(file) == lines));
}

TEST_CASE("a compressed log is made of frames, each of 4 MiB at most", "[logs]") {
  const TemporaryDirectory directory;
  const auto lines = numbered_lines(0, 900'000);
  const auto from = directory.path() / "log";
  const auto to = directory.path() / "log.zst";
  write_file(from, lines);
  const std::atomic<bool> ending = false;
  REQUIRE(compress_file(from, to, ending).has_value());
  const auto file = read_file(to);
  CHECK(file.size() < lines.size() / 4);
  CHECK((decompress(file) == lines));

  const std::atomic<bool> at_once = true;
  CHECK_FALSE(compress_file(from, to, at_once).has_value());
}

TEST_CASE("no more rotated files than keep and max_total say", "[logs]") {
  const TemporaryDirectory directory;
  auto settings = small(10'000);
  std::size_t most_files = 1000;
  std::uint64_t most_bytes = 1U << 30U;
  SECTION("keep") {
    settings.keep = 3;
    most_files = 3;
  }
  SECTION("max_total") {
    settings.max_total = 50'000;
    most_bytes = 50'000;
  }
  Scene scene(directory.path(), settings);
  const auto file = scene.out_file();
  const auto ends = scene.open();
  const auto lines = numbered_lines(0, 20'000);
  write_to(ends.out.get(), lines);
  REQUIRE(wait_until_empty(ends.out));
  scene.settle();
  const auto rotated = rotated_of(file);
  CHECK_FALSE(rotated.empty());
  CHECK(rotated.size() <= most_files);
  std::uint64_t bytes = 0;
  for (const auto& one : logs_in(directory.path())) bytes += one.bytes;
  // The one that is being written has grown since the last look.
  CHECK(bytes <= most_bytes + settings.max_size);
  CHECK(rotated.back().number > 10);  // numbers go on
}

TEST_CASE("all logs together stay below the ceiling", "[logs]") {
  const TemporaryDirectory directory;
  write_file(directory.path() / "gone-out.log.1", std::string(40'000, 'x'));
  fs::last_write_time(directory.path() / "gone-out.log.1",
                      fs::file_time_type::clock::now() - std::chrono::hours(1));
  Scene scene(directory.path(), small(10'000));
  scene.capture->set_ceiling(60'000);
  const auto ends = scene.open();
  write_to(ends.out.get(), numbered_lines(0, 3'000));
  write_to(ends.err.get(), numbered_lines(0, 3'000));
  REQUIRE(wait_until_empty(ends.out));
  REQUIRE(wait_until_empty(ends.err));
  scene.settle();
  CHECK_FALSE(fs::exists(directory.path() / "gone-out.log.1"));  // an app that is gone counts, too
  CHECK_FALSE(rotated_of(scene.out_file()).empty());
}

TEST_CASE("surplus takes the oldest", "[logs]") {
  const std::vector<KeptLog> files = {kept("/l/a.log", 0, 100, 900), kept("/l/a.log", 7, 10, 100),
                                      kept("/l/a.log", 9, 10, 300), kept("/l/a.log", 8, 10, 200),
                                      kept("/l/b.log", 1, 10, 150)};
  using Names = std::vector<std::string>;
  CHECK(names(surplus(files, std::nullopt, std::nullopt)).empty());
  CHECK(names(surplus(files, 2, std::nullopt)) == Names{"/l/a.log.7"});
  CHECK(names(surplus(files, std::nullopt, 140)).empty());
  CHECK(names(surplus(files, std::nullopt, 139)) == Names{"/l/a.log.7"});
  CHECK(names(surplus(files, std::nullopt, 120)) == Names{"/l/a.log.7", "/l/b.log.1"});
  CHECK(names(surplus(files, 1, 120)) == Names{"/l/a.log.8", "/l/a.log.7"});
  CHECK(names(surplus(files, std::nullopt, 0)).size() == 4);  // never the one that is written
}

TEST_CASE("a file is rotated when its first line is too old", "[logs]") {
  const TemporaryDirectory directory;
  auto settings = small(1U << 20U);
  Scene scene(directory.path(), settings);
  const auto file = scene.out_file();
  const auto ends = scene.open();
  write_to(ends.out.get(), "old\n");
  scene.settle();
  settings.max_age = std::chrono::milliseconds(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));  // its age
  scene.capture->configure("app", settings);
  write_to(ends.out.get(), "new\n");
  scene.settle();
  CHECK(read_file(file) == "new\n");
  CHECK(all_of(file) == "old\nnew\n");
}

TEST_CASE("a line that is longer than max_size stays whole", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path(), small(5'000));
  const auto file = scene.out_file();
  const std::string line = std::string(30'000, 'x') + "\n";
  {
    const auto ends = scene.open();
    write_to(ends.out.get(), "short\n" + line + "short\n");
  }
  scene.capture.reset();
  CHECK((all_of(file) == "short\n" + line + "short\n"));
  CHECK_FALSE(rotated_of(file).empty());
}

TEST_CASE("a rotation that was broken off is finished", "[logs]") {
  const TemporaryDirectory directory;
  auto scene = std::make_optional<Scene>(directory.path(), small(1U << 20U));
  const auto file = scene->out_file();
  {
    const auto ends = scene->open();
    write_to(ends.out.get(), "before\n");
  }
  scene.reset();
  const auto index = read_file(log_index(file));
  fs::rename(file, rotated_log(file, 4));  // and there it was killed

  scene.emplace(directory.path(), small(1U << 20U));
  {
    const auto ends = scene->open(2);
    write_to(ends.out.get(), "after\n");
  }
  scene.reset();
  CHECK((read_file(log_index(rotated_log(file, 4))) == index));
  CHECK(all_of(file) == "before\nafter\n");
  CHECK(parse_log_index(read_file(log_index(file)), 6).size() == 1);
}
