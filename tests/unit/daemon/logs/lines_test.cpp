// Whose line is whose: several instances in one file, format: text, the index; flush and reopen.
#include <regex>

#include <catch2/catch.hpp>

#include "daemon/logs/text_format.hpp"
#include "tests/unit/daemon/logs/log_scene.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;

namespace {

LogSettings with(void (*change)(LogSettings&)) {
  auto settings = default_log_settings("app");
  change(settings);
  return settings;
}

std::vector<LogIndexRecord> index_of(const fs::path& log) {
  return parse_log_index(read_file(log_index(log)), fs::file_size(log));
}

}  // namespace

TEST_CASE("a line that isn't finished waits while others write to the file", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path(), with([](auto& s) { s.several = true; }));
  const auto file = scene.out_file();
  const auto first = scene.open(1, 0);
  const auto second = scene.open(1, 1);
  write_to(first.out.get(), "one ");
  write_to(second.out.get(), "other\n");
  REQUIRE(eventually([&] { return read_file(file) == "other\n"; }));
  write_to(first.out.get(), "line\n");
  REQUIRE(eventually([&] { return read_file(file) == "other\none line\n"; }));

  const auto index = index_of(file);
  REQUIRE(index.size() == 2);
  CHECK(index[0].instance == 1);
  CHECK(index[1].instance == 0);
  CHECK(index[1].offset == 6);
}

TEST_CASE("a lone instance's unfinished line is seen at once", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  const auto ends = scene.open();
  write_to(ends.out.get(), "Password: ");
  CHECK(eventually([&] { return read_file(scene.out_file()) == "Password: "; }));
}

TEST_CASE("the line of a dead generation is ended before the next one's begins", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  const auto file = scene.out_file();
  {
    const auto ends = scene.open(1);
    write_to(ends.out.get(), "Killed in the mid");
    REQUIRE(wait_until_empty(ends.out));
  }
  scene.settle(1);
  const auto ends = scene.open(2);
  write_to(ends.out.get(), "Listening\n");
  REQUIRE(eventually([&] { return read_file(file) == "Killed in the mid\nListening\n"; }));
  const auto index = index_of(file);
  REQUIRE(index.size() == 3);
  CHECK(index[0].generation == 1);
  CHECK(index[1].origin == LogOrigin::dixis);
  CHECK(index[2].generation == 2);
  CHECK(index[2].offset == 18);
}

TEST_CASE("each instance has its own file where its name says so", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path(), with([](auto& s) { s.out = "deep/{instance}-{instance}.log"; }));
  write_to(scene.open(1, 3).out.get(), "three\n");
  scene.settle();
  CHECK(eventually([&] { return read_file(directory.path() / "deep/3-3.log") == "three\n"; }));
}

TEST_CASE("format: text puts time, instance and stream before each line", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path(), with([](auto& s) { s.format = LogSettings::Format::text; }));
  {
    const auto ends = scene.open(1, 2);
    write_to(ends.err.get(), "one\n\nthree\nlast");
  }
  const auto file = scene.err_file();
  scene.capture.reset();
  const std::string stamp = R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 2 err \| )";
  CHECK(std::regex_match(read_file(file), std::regex(stamp + "one\n" + stamp + "\n" + stamp +
                                                     "three\n" + stamp + "last")));
}

TEST_CASE("prefixes go before each line, and no line is half in", "[logs]") {
  const auto add = [](const std::string& bytes, bool at_start, std::size_t most) {
    std::string out;
    const auto used = add_prefixes(bytes, "> ", at_start, most, out);
    return std::to_string(used) + ":" + out;
  };
  CHECK(add("a\nb\n", true, 100) == "4:> a\n> b\n");
  CHECK(add("rest\nb", false, 100) == "6:rest\n> b");
  CHECK(add("a\nbb\n", true, 8) == "2:> a\n");
  CHECK(add("a\nbb\n", true, 9) == "5:> a\n> bb\n");
  CHECK(add("long\n", true, 3) == "0:");
  CHECK(add("", true, 3) == "0:");
}

TEST_CASE("flush empties a log, and the app goes on", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path(), with([](auto& s) { s.max_size = 5'000; }));
  const auto ends = scene.open();
  write_to(ends.out.get(), numbered_lines(0, 1000));
  write_to(ends.err.get(), "error\n");
  REQUIRE(run_task(scene.loop, scene.capture->flush("app", scene.settings, 1)).has_value());
  CHECK(read_file(scene.out_file()).empty());
  CHECK(read_file(scene.err_file()).empty());
  CHECK(rotated_of(scene.out_file()).empty());
  write_to(ends.out.get(), "after\n");
  CHECK(scene.last_lines(9) == "after");
  CHECK(read_file(scene.out_file()) == "after\n");

  fs::remove(scene.err_file());
  fs::create_directory(scene.err_file());
  const auto failed = run_task(scene.loop, scene.capture->flush("app", scene.settings, 1));
  REQUIRE_FALSE(failed.has_value());
  CHECK_THAT(failed.error().message, Catch::Contains("app-err.log: Is a directory"));
}

TEST_CASE("reopen makes the files anew that were renamed", "[logs]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  const auto ends = scene.open();
  write_to(ends.out.get(), "before\n");
  scene.settle();
  fs::rename(scene.out_file(), directory.path() / "old");
  CHECK(run_task(scene.loop, scene.capture->reopen()).value() == 2);
  CHECK(fs::exists(scene.out_file()));
  write_to(ends.out.get(), "after\n");
  CHECK(scene.last_lines(9) == "after");
  CHECK(read_file(directory.path() / "old") == "before\n");
  CHECK(read_file(scene.out_file()) == "after\n");
}

TEST_CASE("another Capture carries on from a read end that was kept", "[logs]") {
  const TemporaryDirectory directory;
  auto scene = std::make_optional<Scene>(directory.path());
  const LogSource source{"app", 0, 1};
  std::optional<UniqueFd> kept;
  {
    const auto ends = scene->open();
    kept = scene->capture->read_end(source, LogStream::out);
    REQUIRE(kept.has_value());
    CHECK_FALSE(scene->capture->read_end({"app", 1, 1}, LogStream::out).has_value());
    scene->capture.reset();
    write_to(ends.out.get(), "written while nobody watched, before it died\n");
  }
  scene.emplace(directory.path());
  scene->capture->take(source, LogStream::out, scene->settings, std::move(*kept));
  CHECK(scene->last_lines(9) == "written while nobody watched, before it died");
}
