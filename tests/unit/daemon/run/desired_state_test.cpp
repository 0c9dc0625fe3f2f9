#include "daemon/run/desired_state.hpp"

#include <future>
#include <iterator>
#include <map>
#include <random>
#include <stdexcept>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "tests/unit/daemon/logs/support.hpp"
#include "tests/unit/daemon/run/damage.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;
namespace asio = boost::asio;
using Apps = std::map<std::string, Desired>;

namespace {

/// A loop, the state worker, and the desired state of a directory.
struct Scene {
  explicit Scene(const fs::path& directory, DesiredState::Options options = {})
      : worker("state"), desired(worker, directory, std::move(options)) {}

  Result<void> change(std::map<std::string, std::optional<Desired>> changes) {
    return run_task(loop, desired.change(std::move(changes)));
  }

  asio::io_context loop{};
  Worker worker;
  DesiredState desired;
};

DesiredState::Loaded load(const fs::path& directory) {
  return Scene(directory).desired.load();
}

std::string document(const boost::json::object& apps) {
  return document_text({{"version", 1}, {"apps", apps}});
}

/// Changes one after the other: {a: down}, {b: down}, {c: down}.
void make_three_generations(const fs::path& directory) {
  Scene scene(directory);
  for (const char* app : {"a", "b", "c"}) {
    REQUIRE(scene.change({{app, Desired::down}}).has_value());
  }
}

int count_damaged(const fs::path& directory) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename().string().find(".damaged-") != std::string::npos) ++count;
  }
  return count;
}

struct PowerCut : std::runtime_error {
  PowerCut() : std::runtime_error("power cut") {}
};

}  // namespace

TEST_CASE("the first start knows nothing and reports nothing", "[state]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path() / "not yet");
  const auto loaded = scene.desired.load();
  CHECK(loaded.apps.empty());
  CHECK(loaded.reports.empty());
  CHECK(scene.desired.of("anything") == Desired::up);
}

TEST_CASE("a verb is remembered by the next daemon", "[state]") {
  const TemporaryDirectory directory;
  const auto state = directory.path() / "state";
  {
    Scene scene(state);
    REQUIRE(scene.change({{"a", Desired::down}, {"b", Desired::down}}).has_value());
    REQUIRE(scene.change({{"b", Desired::up}}).has_value());
    REQUIRE(scene.change({{"c", Desired::down}}).has_value());
    REQUIRE(scene.change({{"c", std::nullopt}}).has_value());
    CHECK(scene.desired.of("a") == Desired::down);
  }
  const auto loaded = load(state);
  CHECK((loaded.apps == Apps{{"a", Desired::down}, {"b", Desired::up}}));
  CHECK(loaded.reports.empty());

  struct stat facts {};
  REQUIRE(::stat((state / "desired.json").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0600);
}

TEST_CASE("what changes nothing is not written", "[state]") {
  const TemporaryDirectory directory;
  int writes = 0;
  const DesiredState::Options options{std::chrono::seconds(20), [&](std::string_view step) {
                                        if (step == "create") ++writes;
                                      }};
  Scene scene(directory.path(), options);
  REQUIRE(scene.change({{"a", Desired::up}, {"b", std::nullopt}}).has_value());
  CHECK(writes == 0);
  REQUIRE(scene.change({{"a", Desired::down}}).has_value());
  REQUIRE(scene.change({{"a", Desired::down}}).has_value());
  CHECK(writes == 1);
}

TEST_CASE("two older generations are kept", "[state]") {
  const TemporaryDirectory directory;
  make_three_generations(directory.path());
  const auto apps = [&](const char* name) {
    return parse_document(read_file(directory.path() / name)).value().at("apps").as_object().size();
  };
  CHECK(apps("desired.json") == 3);
  CHECK(apps("desired.json.1") == 2);
  CHECK(apps("desired.json.2") == 1);
}

TEST_CASE("the document of version 1 loads", "[state][golden]") {
  const TemporaryDirectory directory;
  fs::copy_file(fs::path(DIXIS_SOURCE_DIR) / "tests/golden/state/v1/desired.json",
                directory.path() / "desired.json");
  const auto loaded = load(directory.path());
  CHECK(loaded.reports.empty());
  CHECK((loaded.apps ==
         Apps{{"backend", Desired::up}, {"frontend", Desired::down}, {"worker", Desired::down}}));
}

TEST_CASE("fields of a newer version are kept", "[state]") {
  const TemporaryDirectory directory;
  const auto file = directory.path() / "desired.json";
  write_file(file, document_text({{"version", 2},
                                  {"later", {{"deep", {1, 2.5, nullptr}}}},
                                  {"apps", {{"a", "down"}, {"b", "resting"}}}}));
  Scene scene(directory.path());
  const auto loaded = scene.desired.load();
  CHECK((loaded.apps == Apps{{"a", Desired::down}}));
  REQUIRE(loaded.reports.size() == 1);
  CHECK_THAT(loaded.reports[0], Catch::Contains("\"resting\", is not known"));
  REQUIRE(scene.change({{"c", Desired::down}}).has_value());
  const auto written = parse_document(read_file(file));
  REQUIRE(written.has_value());
  CHECK(written->at("version") == 1);
  CHECK(written->at("later") == boost::json::value({{"deep", {1, 2.5, nullptr}}}));
}

TEST_CASE("changes that come during a write share the next one", "[state]") {
  const TemporaryDirectory directory;
  std::promise<void> disk_answers;
  auto answered = disk_answers.get_future().share();
  int writes = 0;
  const DesiredState::Options options{std::chrono::seconds(20), [&](std::string_view step) {
                                        if (step == "create" && ++writes == 1) answered.wait();
                                      }};
  Scene scene(directory.path(), options);
  int done = 0;
  const auto change = [&](std::string app) {
    asio::co_spawn(scene.loop, scene.desired.change({{std::move(app), Desired::down}}),
                   [&](std::exception_ptr, Result<void> result) { done += result ? 1 : 0; });
  };
  change("first");
  scene.loop.poll();
  for (int i = 0; i < 50; ++i) change("app" + std::to_string(i));
  scene.loop.poll();
  CHECK(done == 0);
  disk_answers.set_value();
  scene.loop.run();
  CHECK(done == 51);
  CHECK(writes == 2);
  CHECK(load(directory.path()).apps.size() == 51);
}

TEST_CASE("a disk that doesn't answer: the verb goes on, and the change isn't lost", "[state]") {
  const TemporaryDirectory directory;
  std::promise<void> disk_answers;
  auto answered = disk_answers.get_future().share();
  const DesiredState::Options options{std::chrono::milliseconds(50), [&](std::string_view step) {
                                        if (step == "create") answered.wait();
                                      }};
  Scene scene(directory.path(), options);
  std::optional<Result<void>> result;
  asio::co_spawn(scene.loop, scene.desired.change({{"a", Desired::down}}),
                 [&](std::exception_ptr, Result<void> given) { result = given; });
  while (!result) scene.loop.run_one();
  REQUIRE_FALSE(result->has_value());
  CHECK_THAT(result->error().message, Catch::Contains("the disk has not answered within 50 ms"));
  CHECK(scene.desired.of("a") == Desired::down);
  disk_answers.set_value();
  scene.loop.run();
  CHECK((load(directory.path()).apps == Apps{{"a", Desired::down}}));
}

TEST_CASE("a full disk is told as such; the change goes out with the next write", "[state]") {
  const auto disk = SmallDisk::make(64 << 10);
  if (!disk) return;
  Scene scene(disk->path());
  REQUIRE(scene.change({{"a", Desired::down}}).has_value());
  const auto filler = disk->path() / "filler";
  write_file(filler, std::string(128 << 10, 'x'));

  const auto result = scene.change({{"b", Desired::down}});
  REQUIRE_FALSE(result.has_value());
  CHECK_THAT(result.error().message, Catch::Contains("desired.json"));
  CHECK_THAT(result.error().message, Catch::EndsWith(": No space left on device"));
  CHECK(scene.desired.of("b") == Desired::down);
  CHECK((load(disk->path()).apps == Apps{{"a", Desired::down}}));

  fs::remove(filler);
  // Nothing new is asked for, but what is in memory is not on the disk.
  REQUIRE(scene.change({{"b", Desired::down}}).has_value());
  CHECK((load(disk->path()).apps == Apps{{"a", Desired::down}, {"b", Desired::down}}));
}

TEST_CASE("a power cut at any step leaves the old state or the new one", "[state]") {
  std::vector<std::string> steps;
  {
    const TemporaryDirectory directory;
    make_three_generations(directory.path());
    const auto record = [&](std::string_view step) { steps.emplace_back(step); };
    REQUIRE(write_desired_generation(directory.path(), document({}), record).has_value());
  }
  REQUIRE(steps.size() == 9);
  std::mt19937 random(3);

  for (int generations = 0; generations < 4; ++generations) {
    for (const auto& cut_before : steps) {
      for (int second_cut = 0; second_cut < 2; ++second_cut) {
        INFO(generations << " generations before, cut before " << cut_before);
        const auto directory = TemporaryDirectory::in_memory();
        for (int i = 0; i < generations; ++i) {
          write_desired_generation(directory.path(), document({{"old", "down"}})).value();
        }
        const auto cut = [&](std::string_view step) {
          if (step == cut_before) throw PowerCut();
        };
        // The daemon that comes back may be cut off at the same place once more.
        for (int i = 0; i <= second_cut; ++i) {
          CHECK_THROWS_AS(
              write_desired_generation(directory.path(), document({{"new", "down"}}), cut),
              PowerCut);
        }
        // What was not yet synced may be there in part.
        const auto fresh = directory.path() / "desired.json.new";
        if (fs::exists(fresh) && cut_before == "fsync") {
          fs::resize_file(fresh, random() % fs::file_size(fresh));
        }
        const auto loaded = load(directory.path());
        CHECK(loaded.reports.empty());
        const Apps old = generations == 0 ? Apps{} : Apps{{"old", Desired::down}};
        const bool durable = cut_before == "done" || cut_before == "fsync directory";
        CHECK((loaded.apps == (durable ? Apps{{"new", Desired::down}} : old)));
      }
    }
  }
}

TEST_CASE("a failure inside the write is an error, not the end", "[state]") {
  const TemporaryDirectory directory;
  bool broken = true;
  const DesiredState::Options options{std::chrono::seconds(20), [&](std::string_view step) {
                                        if (broken && step == "rename new") throw PowerCut();
                                      }};
  Scene scene(directory.path(), options);
  const auto result = scene.change({{"a", Desired::down}});
  REQUIRE_FALSE(result.has_value());
  CHECK_THAT(result.error().message, Catch::EndsWith("power cut"));
  broken = false;
  CHECK(scene.change({{"a", Desired::down}}).has_value());
}

TEST_CASE("the previous generation serves for a damaged one", "[state]") {
  const TemporaryDirectory directory;
  make_three_generations(directory.path());
  const auto file = directory.path() / "desired.json";

  SECTION("damaged content") {
    write_file(file, "{\"version\":1,");
  }
  SECTION("nothing in it") {
    write_file(file, "");
  }
  SECTION("a directory") {
    fs::remove(file);
    fs::create_directory(file);
  }
  SECTION("a link to elsewhere") {
    fs::rename(file, directory.path() / "elsewhere");
    fs::create_symlink(directory.path() / "elsewhere", file);
  }
  const auto loaded = load(directory.path());
  CHECK((loaded.apps == Apps{{"a", Desired::down}, {"b", Desired::down}}));
  REQUIRE(loaded.reports.size() == 2);
  CHECK_THAT(loaded.reports[0], Catch::Contains("desired.json is damaged (") &&
                                    Catch::Contains("put aside as") &&
                                    Catch::Contains("desired.json.damaged-"));
  CHECK_THAT(loaded.reports[1], Catch::Contains("desired.json.1, serves"));
  CHECK(count_damaged(directory.path()) == 1);
  CHECK(load(directory.path()).reports.empty());  // healed
}

TEST_CASE("with all generations damaged every app is up, and that is said", "[state]") {
  const TemporaryDirectory directory;
  make_three_generations(directory.path());
  for (const char* name : {"desired.json", "desired.json.1", "desired.json.2"}) {
    write_file(directory.path() / name, "?");
  }
  const auto loaded = load(directory.path());
  CHECK(loaded.apps.empty());
  REQUIRE(loaded.reports.size() == 4);
  CHECK_THAT(loaded.reports[3], Catch::Contains("taken as up"));
  CHECK(count_damaged(directory.path()) == 3);
}

TEST_CASE("5000 damaged documents: none is believed", "[state][fuzz]") {
  constexpr unsigned kSeed = 5;
  INFO("seed " << kSeed);
  std::mt19937 random(kSeed);
  const auto directory = TemporaryDirectory::in_memory();
  const auto file = directory.path() / "desired.json";
  const auto good =
      document({{"frontend", "down"}, {"backend", "up"}, {"Ελλάδα \"quoted\"", "down"}});
  const auto meaning = parse_document(good).value();
  const auto previous = document({{"previous", "down"}});
  Worker worker("state");
  int believed = 0;
  for (int round = 0; round < 5000; ++round) {
    const auto text = damage(good, random);
    write_file(file, text);
    write_file(directory.path() / "desired.json.1", previous);
    fs::remove(directory.path() / "desired.json.2");
    const auto parsed = parse_document(text);
    const auto loaded = DesiredState(worker, directory.path()).load();
    if (parsed) {  // only blanks were harmed
      CHECK((*parsed == meaning));
      CHECK(loaded.reports.empty());
      ++believed;
    } else {
      REQUIRE((loaded.apps == Apps{{"previous", Desired::down}}));
      REQUIRE(loaded.reports.size() == 2);
    }
    if (round % 100 == 0) REQUIRE(count_damaged(directory.path()) <= round + 1);
  }
  CHECK(believed < 500);
  CHECK(count_damaged(directory.path()) > 0);
}

TEST_CASE("every flipped bit is found", "[state][fuzz]") {
  const auto good = document({{"frontend", "down"}, {"backend", "up"}});
  const auto meaning = parse_document(good).value();
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      auto text = good;
      text[at] = static_cast<char>(static_cast<unsigned char>(text[at]) ^ (1U << bit));
      const auto parsed = parse_document(text);
      if (parsed) REQUIRE((*parsed == meaning));
    }
  }
}
