#include "daemon/run/build/build_watch.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include <catch2/catch.hpp>

#include "tests/unit/daemon/sys/support.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& file, const std::string& text) {
  std::error_code ignored;
  fs::create_directories(file.parent_path(), ignored);
  std::ofstream(file) << text;
}

/// A loop with a watch on `current/VERSION`, below a directory of its own.
struct Watched {
  TemporaryDirectory directory;
  fs::path root = directory.path();
  asio::io_context io;
  Worker worker{"test"};
  BuildWatch watch{io, worker};
  std::optional<std::string> last{};
  int told = 0;

  Watched() {
    fs::create_directories(root / "a");
    fs::create_directories(root / "b");
  }

  void begin() {
    AppSpec spec;
    spec.name = "web";
    spec.cwd = root;
    spec.health.build.kind = BuildSpec::Kind::file;
    spec.health.build.id_file = root / "current" / "VERSION";
    watch.watch("web", spec, std::nullopt, [this](const std::optional<BuildOnDisk>& now) {
      ++told;
      last = now ? now->id : std::nullopt;
    });
  }

  /// Runs the loop until `done`, or fails after a generous time.
  template <class Done>
  void until(Done done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done() && std::chrono::steady_clock::now() < limit) {
      io.run_one_for(std::chrono::milliseconds(100));
    }
    REQUIRE(done());
  }

  /// Points `current` at a release, atomically.
  void point_at(const fs::path& target) const {
    fs::remove(root / "fresh");
    fs::create_symlink(target, root / "fresh");
    fs::rename(root / "fresh", root / "current");
  }
};

}  // namespace

TEST_CASE("what lies there at first is told, and what is written later", "[build][watch]") {
  Watched world;
  write(world.root / "current" / "VERSION", "one\n");
  world.begin();
  world.until([&] { return world.last == "one"; });
  write(world.root / "current" / "VERSION", "two\n");
  world.until([&] { return world.last == "two"; });
}

TEST_CASE("a file that appears late is seen, its directories with it", "[build][watch]") {
  Watched world;
  world.begin();
  world.until([&] { return world.told == 1; });
  CHECK_FALSE(world.last);
  write(world.root / "current" / "VERSION", "late");
  world.until([&] { return world.last == "late"; });
  fs::remove_all(world.root / "current");
  world.until([&] { return !world.last; });
}

TEST_CASE("a switched symbolic link is seen, a dangling one, too", "[build][watch]") {
  Watched world;
  write(world.root / "a" / "VERSION", "a");
  write(world.root / "b" / "VERSION", "b");
  world.point_at("a");
  world.begin();
  world.until([&] { return world.last == "a"; });
  world.point_at(world.root / "b");
  world.until([&] { return world.last == "b"; });
  world.point_at("nowhere");
  world.until([&] { return !world.last; });
  write(world.root / "nowhere" / "VERSION", "now here");
  world.until([&] { return world.last == "now here"; });
}

TEST_CASE("what doesn't concern it wakes nobody", "[build][watch]") {
  Watched world;
  write(world.root / "current" / "VERSION", "one");
  world.begin();
  world.until([&] { return world.last == "one"; });
  while (world.io.run_one_for(std::chrono::milliseconds(150)) > 0) {
  }
  for (int i = 0; i < 100; ++i) write(world.root / "current" / ("other" + std::to_string(i)), "x");
  world.io.run_for(std::chrono::milliseconds(50));
  CHECK(world.told == 1);
}

TEST_CASE("after a thousand changes without a pause the id is the right one", "[build][watch]") {
  for (const unsigned seed : {1U, 2U, 3U}) {
    INFO("seed " << seed);
    Watched world;
    write(world.root / "a" / "VERSION", "first");
    world.point_at("a");
    world.begin();
    world.until([&] { return world.last == "first"; });
    const std::string final_id = "final-" + std::to_string(seed);
    std::atomic<bool> over = false;
    std::thread storm([&] {
      std::mt19937 random(seed);
      for (int change = 0; change < 1000; ++change) {
        const fs::path release = world.root / (random() % 2 == 0 ? "a" : "b");
        switch (random() % 5) {
          case 0:
            fs::remove(release / "VERSION");
            break;
          case 1:
            fs::remove_all(release);
            break;
          case 2:
            world.point_at(release.filename());
            break;
          case 3:
            write(release / "VERSION.new", "r" + std::to_string(change));
            fs::rename(release / "VERSION.new", release / "VERSION");
            break;
          default:
            write(release / "VERSION", "w" + std::to_string(change));
        }
      }
      fs::remove_all(world.root / "b");
      write(world.root / "b" / "VERSION", final_id);
      world.point_at("b");
      over = true;
    });
    world.until([&] { return over && world.last == final_id; });
    storm.join();
    // And it stays so: nothing older comes after it.
    while (world.io.run_one_for(std::chrono::milliseconds(200)) > 0) {
    }
    CHECK(world.last == final_id);
  }
}

TEST_CASE("a watch that is taken back says nothing more", "[build][watch]") {
  Watched world;
  write(world.root / "current" / "VERSION", "one");
  world.begin();
  world.watch.unwatch("web");
  write(world.root / "current" / "VERSION", "two");
  world.io.run_for(std::chrono::milliseconds(300));
  CHECK(world.told == 0);
}
