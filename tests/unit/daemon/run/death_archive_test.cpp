#include "daemon/run/death_archive.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

#include "tests/unit/daemon/sys/support.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;

namespace {

DeathRecord death(const std::string& app, std::uint64_t generation) {
  DeathRecord out;
  out.app = app;
  out.death.generation = generation;
  out.death.how = How::exited;
  out.death.code = 1;
  out.last_lines = {"line of " + std::to_string(generation)};
  return out;
}

/// A daemon's life: an archive on a directory that outlives it.
struct Life {
  explicit Life(const fs::path& directory) : archive(io, worker, directory) {}
  asio::io_context io;
  Worker worker{"test"};
  DeathArchive archive;

  std::vector<std::uint64_t> generations(const std::string& app, std::size_t limit = 50) {
    std::vector<std::uint64_t> out;
    for (const auto& one : await_on(io, archive.read(app, limit))) {
      out.push_back(one.death.generation);
    }
    return out;
  }
  /// All that was appended is on the disk.
  void settle() {
    io.restart();  // a loop that has run dry stays stopped until then
    io.run();
  }
};

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace

TEST_CASE("deaths are read newest first, just appended or long written", "[deaths]") {
  const TemporaryDirectory directory;
  {
    Life life(directory.path());
    for (std::uint64_t n = 1; n <= 3; ++n) life.archive.append(death("web", n));
    life.archive.append(death("other", 9));
    CHECK(life.generations("web") == std::vector<std::uint64_t>{3, 2, 1});
    life.settle();
    life.archive.append(death("web", 4));
    CHECK(life.generations("web", 2) == std::vector<std::uint64_t>{4, 3});
    CHECK(life.generations("nobody").empty());
    life.settle();
  }
  Life next(directory.path());
  CHECK(next.generations("web") == std::vector<std::uint64_t>{4, 3, 2, 1});
  const auto kept = await_on(next.io, next.archive.read("web", 1));
  CHECK(kept.front().last_lines == std::vector<std::string>{"line of 4"});
  CHECK(kept.front().death.code == 1);
}

TEST_CASE("a torn line costs only itself", "[deaths]") {
  const TemporaryDirectory directory;
  const fs::path file = fs::path(directory.path()) / "deaths.jsonl";
  {
    Life life(directory.path());
    for (std::uint64_t n = 1; n <= 3; ++n) life.archive.append(death("web", n));
    life.settle();
  }
  const std::string whole = text_of(file);
  const auto third = whole.rfind("\n", whole.size() - 2) + 1;
  for (std::size_t cut = third; cut < whole.size(); cut += 7) {
    std::ofstream(file, std::ios::trunc) << whole.substr(0, cut);
    Life life(directory.path());
    CHECK(life.generations("web") == std::vector<std::uint64_t>{2, 1});
    life.archive.append(death("web", 4));
    life.settle();
    CHECK(life.generations("web") == std::vector<std::uint64_t>{4, 2, 1});
  }
  SECTION("a flipped bit, too") {
    std::string damaged = whole;
    damaged[third + 30] ^= 1;
    std::ofstream(file, std::ios::trunc) << damaged << "nonsense\n\n{}\n";
    Life life(directory.path());
    CHECK(life.generations("web") == std::vector<std::uint64_t>{2, 1});
  }
}

TEST_CASE("it stays small, and keeps the last fifty of each app", "[deaths]") {
  const TemporaryDirectory directory;
  const fs::path file = fs::path(directory.path()) / "deaths.jsonl";
  Life life(directory.path());
  for (std::uint64_t n = 1; n <= 100; ++n) {
    for (int app = 0; app < 100; ++app) life.archive.append(death("a" + std::to_string(app), n));
    life.settle();
  }
  CHECK(fs::file_size(file) < 100 * 50 * 800 * 2);
  const auto kept = life.generations("a7");
  REQUIRE(kept.size() == 50);
  CHECK(kept.front() == 100);
  CHECK(kept.back() == 51);
}

TEST_CASE("a death with endless last lines is cut, and its newest lines stay", "[deaths]") {
  const TemporaryDirectory directory;
  Life life(directory.path());
  auto long_one = death("web", 1);
  long_one.last_lines.assign(20, std::string(4000, 'x'));
  long_one.last_lines.push_back("the end \xff");
  life.archive.append(std::move(long_one));
  life.settle();
  const auto kept = await_on(life.io, life.archive.read("web", 1));
  CHECK(kept.front().last_lines.back() == "the end \xef\xbf\xbd");
  CHECK(fs::file_size(fs::path(directory.path()) / "deaths.jsonl") <= 8192 + 100);
}

TEST_CASE("where nothing can be written deaths are remembered all the same", "[deaths]") {
  const TemporaryDirectory directory;
  const fs::path blocked = fs::path(directory.path()) / "deaths.jsonl";
  fs::create_directories(blocked);
  Life life(directory.path());
  life.archive.append(death("web", 1));
  life.settle();
  CHECK(life.generations("web") == std::vector<std::uint64_t>{1});
  fs::remove(blocked);
  life.archive.append(death("web", 2));
  life.settle();
  CHECK(life.generations("web") == std::vector<std::uint64_t>{2, 1});
  CHECK(fs::is_regular_file(blocked));
}
