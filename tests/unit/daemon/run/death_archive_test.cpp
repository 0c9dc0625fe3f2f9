#include "daemon/run/death_archive.hpp"

#include <future>
#include <map>
#include <random>
#include <stdexcept>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "common/json.hpp"
#include "common/utf8.hpp"
#include "daemon/run/death_file.hpp"
#include "daemon/run/death_line.hpp"
#include "tests/unit/daemon/logs/support.hpp"
#include "tests/unit/daemon/run/damage.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;
namespace asio = boost::asio;

namespace {

constexpr std::size_t kAll = 50;

DeathRecord death_of(const std::string& app, std::uint64_t generation, std::uint32_t instance = 0) {
  DeathRecord record;
  record.app = app;
  record.instance = instance;
  record.death.how = How::exited;
  record.death.cause = Cause::itself;
  record.death.code = 1;
  record.death.at = "2026-01-02T03:04:05.678Z";
  record.death.generation = generation;
  record.death.message = "exited with 1";
  record.last_lines = {"Error: it broke", "    at line 3"};
  record.reaction = "restarted at once";
  return record;
}

std::vector<std::uint64_t> generations(const std::vector<DeathRecord>& records) {
  std::vector<std::uint64_t> out;
  for (const DeathRecord& record : records) out.push_back(record.death.generation);
  return out;
}

using Generations = std::vector<std::uint64_t>;

/// A loop, the state worker, and the archive of a directory.
struct Scene {
  explicit Scene(const fs::path& directory, DeathArchive::Options options = {})
      : worker("state"), archive(loop.get_executor(), worker, directory, std::move(options)) {}

  template <class T>
  T run(Task<T> task) {
    std::optional<T> value;
    loop.restart();
    asio::co_spawn(loop, std::move(task), [&](std::exception_ptr failure, T result) {
      if (failure) std::rethrow_exception(failure);
      value.emplace(std::move(result));
    });
    while (!value) loop.run_one();  // a retry may wait for longer
    return std::move(*value);
  }
  Result<std::vector<DeathRecord>> read(const std::string& app, std::size_t limit = kAll,
                                        std::optional<std::uint32_t> instance = {}) {
    return run(archive.read(app, limit, instance));
  }
  Generations known(const std::string& app) { return generations(read(app).value()); }
  void flush() {
    const auto flushed = [](DeathArchive& deaths) -> Task<bool> {
      co_await deaths.flush();
      co_return true;
    };
    run(flushed(archive));
  }

  asio::io_context loop{};
  Worker worker;
  DeathArchive archive;
};

DeathLine line_of(const std::string& app, std::uint64_t generation) {
  return {app, death_of(app, generation)};
}

/// What a new daemon finds.
Generations kept(const fs::path& directory, const std::string& app) {
  DeathFile file(directory);
  return generations(file.newest(app, kAll, std::nullopt).value());
}

std::vector<std::string> lines_of(const fs::path& file) {
  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

struct PowerCut : std::runtime_error {
  PowerCut() : std::runtime_error("power cut") {}
};

}  // namespace

TEST_CASE("an archive that was never written is empty", "[deaths]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path() / "not yet");
  CHECK(scene.read("web").value().empty());
  CHECK_FALSE(fs::exists(directory.path() / "not yet"));
}

TEST_CASE("deaths are told newest first, at once and by the next daemon", "[deaths]") {
  const TemporaryDirectory directory;
  const auto state = directory.path() / "state";
  {
    Scene scene(state);
    for (std::uint64_t i = 1; i <= 5; ++i) {
      scene.archive.append(death_of("web", i));
      scene.archive.append(death_of("db", 10 * i, 1));
    }
    CHECK(scene.known("web") == Generations{5, 4, 3, 2, 1});  // queued, or written meanwhile
    scene.flush();
    CHECK(scene.known("web") == Generations{5, 4, 3, 2, 1});
    scene.archive.append(death_of("web", 6));
    CHECK(generations(scene.read("web", 3).value()) == Generations{6, 5, 4});
    scene.flush();
  }
  Scene scene(state);
  CHECK(scene.known("web") == Generations{6, 5, 4, 3, 2, 1});
  CHECK(scene.known("db") == Generations{50, 40, 30, 20, 10});
  CHECK(scene.read("other").value().empty());

  const auto newest = scene.read("web", 1).value();
  REQUIRE(newest.size() == 1);
  CHECK(json::write(newest[0]) == json::write(death_of("web", 6)));

  struct stat facts {};
  REQUIRE(::stat((state / "deaths.jsonl").c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0600);
  REQUIRE(::stat(state.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0700);
}

TEST_CASE("the deaths of one instance", "[deaths]") {
  const TemporaryDirectory directory;
  Scene scene(directory.path());
  for (std::uint64_t i = 1; i <= 10; ++i) {
    scene.archive.append(death_of("web", i, i == 3 ? 1 : 0));
  }
  CHECK(generations(scene.read("web", 1, 1).value()) == Generations{3});
  scene.flush();
  CHECK(generations(scene.read("web", 1, 1).value()) == Generations{3});
  CHECK(generations(scene.read("web", 2, 0).value()) == Generations{10, 9});
  CHECK(scene.read("web", 1, 7).value().empty());
}

TEST_CASE("deaths that come during a write share the next one", "[deaths]") {
  const TemporaryDirectory directory;
  std::promise<void> disk_answers;
  auto answered = disk_answers.get_future().share();
  int writes = 0;
  int syncs = 0;
  const DeathArchive::Options options{.before_step = [&](std::string_view step) {
    if (step == "write" && ++writes == 1) answered.wait();
    if (step == "fdatasync") ++syncs;
  }};
  Scene scene(directory.path(), options);
  scene.archive.append(death_of("web", 1));
  scene.loop.poll();
  for (std::uint64_t i = 0; i < 1000; ++i) {
    scene.archive.append(death_of("app" + std::to_string(i), i));
  }
  scene.loop.poll();
  disk_answers.set_value();
  scene.flush();
  CHECK(writes == 2);
  CHECK(syncs == 2);
  CHECK(lines_of(directory / "deaths.jsonl").size() == 1001);
  CHECK(kept(directory.path(), "app999") == Generations{999});
}

TEST_CASE("10,000 deaths of 100 apps stay bounded", "[deaths]") {
  const auto directory = TemporaryDirectory::in_memory();
  const auto file = directory / "deaths.jsonl";
  constexpr std::size_t kApps = 100;
  std::uintmax_t largest = 0;
  std::size_t most_lines = 0;
  {
    DeathFile archive(directory.path());
    for (std::uint64_t i = 0; i < 10'000; i += 250) {
      std::vector<DeathLine> lines;
      for (std::uint64_t k = i; k < i + 250; ++k) {
        lines.push_back(line_of("app" + std::to_string(k % kApps), k));
      }
      REQUIRE(archive.append(lines).has_value());
      largest = std::max(largest, fs::file_size(file));
      most_lines = std::max(most_lines, lines_of(file).size());
    }
    CHECK(archive.take_remarks().empty());
  }
  constexpr std::size_t kKeeps = kApps * kDeathsOfAnApp;
  CHECK(most_lines <= 2 * kKeeps + 250);
  // The fixture's lines are all alike.
  CHECK(largest <= (2 * kKeeps + 250) * (lines_of(file).front().size() + 10));
  Generations expected;
  for (std::uint64_t i = 0; i < kDeathsOfAnApp; ++i) expected.push_back(9907 - i * kApps);
  CHECK(kept(directory.path(), "app7") == expected);
  CHECK_FALSE(fs::exists(directory / "deaths.jsonl.new"));
}

TEST_CASE("one app that dies again and again leaves a small file", "[deaths]") {
  const auto directory = TemporaryDirectory::in_memory();
  DeathFile archive(directory.path());
  for (std::uint64_t i = 1; i <= 3000; ++i)
    REQUIRE(archive.append({line_of("web", i)}).has_value());
  CHECK(fs::file_size(directory / "deaths.jsonl") < (300 << 10));
  CHECK(kept(directory.path(), "web").size() == kDeathsOfAnApp);
  CHECK(kept(directory.path(), "web").front() == 3000);
}

TEST_CASE("an app that left is forgotten", "[deaths]") {
  const TemporaryDirectory directory;
  {
    Scene scene(directory.path());
    scene.archive.append(death_of("web", 1));
    scene.archive.append(death_of("db", 2));
    scene.flush();
    scene.archive.append(death_of("web", 3));
    scene.archive.forget("web");
    CHECK(scene.known("web").empty());  // not yet written
    scene.flush();
    CHECK(scene.known("web").empty());
    scene.archive.append(death_of("web", 4));
    CHECK(scene.known("web") == Generations{4});
    scene.flush();
  }
  CHECK(kept(directory.path(), "web") == Generations{4});
  CHECK(kept(directory.path(), "db") == Generations{2});
}

TEST_CASE("a death takes 8 KiB at most, its last lines give way", "[deaths]") {
  auto record = death_of("web", 1);
  record.last_lines.clear();
  for (int i = 0; i < 30; ++i) {
    record.last_lines.push_back(std::to_string(i) + " " + std::string(900, 'x'));
  }
  const auto many = bounded_death(record);
  CHECK(DeathLine{"web", many}.text().size() <= kDeathBytes);
  REQUIRE(many.last_lines.size() >= 6);
  CHECK(many.last_lines.back() == record.last_lines.back());
  CHECK(many.death.message == record.death.message);

  record.last_lines = std::vector<std::string>(25, "short");
  CHECK(bounded_death(record).last_lines.size() == 20);
  record.last_lines = {std::string(100'000, '\x1b')};  // six bytes each in JSON
  CHECK(bounded_death(record).last_lines.size() == 1);

  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    const auto text = [&](std::size_t limit) {
      std::string out(random() % limit, ' ');
      for (char& c : out) c = static_cast<char>(random());
      return out;
    };
    auto wild = death_of("web", 1);
    wild.death.message = text(20'000);
    wild.death.detail = text(20'000);
    wild.death.sender = Sender{1, text(5000), text(5000), 0};
    wild.build = text(9000);
    wild.probe_answer = text(9000);
    wild.reaction = text(9000);
    for (int i = 0; i < 25; ++i) wild.last_lines.push_back(text(3000));
    const std::string line = DeathLine{"web", bounded_death(wild)}.text();
    REQUIRE(line.size() <= kDeathBytes);
    REQUIRE(parse_document(line).has_value());
  }
}

TEST_CASE("bytes that aren't UTF-8 don't spoil the line", "[deaths]") {
  const TemporaryDirectory directory;
  auto record = death_of("web", 1);
  record.last_lines = {"caf\xE9 \xff\xfe", std::string("a\0b", 3), "größe"};
  record.probe_answer = "\x80";
  Scene scene(directory.path());
  scene.archive.append(record);
  const auto queued = scene.read("web").value();
  scene.flush();
  DeathFile file(directory.path());
  const auto found = file.newest("web", kAll, std::nullopt).value();
  REQUIRE(found.size() == 1);
  CHECK(found[0].last_lines ==
        std::vector<std::string>{"caf\uFFFD \uFFFD\uFFFD", std::string("a\0b", 3), "größe"});
  CHECK(found[0].probe_answer == "\uFFFD");
  REQUIRE(queued.size() == 1);
  CHECK(queued[0].last_lines == found[0].last_lines);
  CHECK(file.take_remarks().empty());
}

TEST_CASE("the deaths of version 1 load", "[deaths][golden]") {
  const TemporaryDirectory directory;
  fs::copy_file(fs::path(DIXIS_SOURCE_DIR) / "tests/golden/state/v1/deaths.jsonl",
                directory / "deaths.jsonl");
  DeathFile file(directory.path());
  const auto found = file.newest("frontend", kAll, std::nullopt).value();
  REQUIRE(found.size() == 2);
  CHECK(found[0].death.cause == Cause::unhealthy);
  CHECK(found[0].build == "836NPoCn9F4-uRaKvNCi2");
  CHECK(found[0].last_lines.size() == 2);
  CHECK(found[1].death.sender->comm == "bash");
  CHECK(file.newest("worker", kAll, std::nullopt).value().empty());  // forgotten
  CHECK(file.take_remarks().empty());
}

TEST_CASE("what a newer version wrote is kept, told where it can be", "[deaths]") {
  const auto directory = TemporaryDirectory::in_memory();
  const auto file = directory / "deaths.jsonl";
  auto newer = json::write(death_of("web", 1)).as_object();
  newer["version"] = 2;
  newer["later"] = {{"deep", {1, 2.5, nullptr}}};
  auto unknown = json::write(death_of("web", 2)).as_object();
  unknown["version"] = 2;
  unknown["death"].as_object()["cause"] = "boredom";
  const std::string first = document_text(newer);
  const std::string second = document_text(unknown);
  write_file(file, first + second);
  DeathFile archive(directory.path());
  CHECK(generations(archive.newest("web", kAll, std::nullopt).value()) == Generations{1});
  const auto remarks = archive.take_remarks();
  REQUIRE(remarks.size() == 1);
  CHECK_THAT(remarks[0], Catch::Contains("1 line of") && Catch::Contains("newer version"));

  // A compaction copies them as they are.
  for (std::uint64_t i = 0; i < 2000; ++i)
    REQUIRE(archive.append({line_of("other", i)}).has_value());
  const auto lines = lines_of(file);
  REQUIRE(lines.size() < 1500);
  CHECK(lines[0] + "\n" == first);
  CHECK(lines[1] + "\n" == second);
}

TEST_CASE("a power cut at any step leaves whole lines", "[deaths]") {
  std::mt19937 random(11);
  for (const std::string cut_before : {"open", "write", "fdatasync", "fsync directory"}) {
    for (const bool first_ever : {true, false}) {
      for (int round = 0; round < 20; ++round) {
        INFO("cut before " << cut_before << ", first " << first_ever << ", round " << round);
        const auto directory = TemporaryDirectory::in_memory();
        const auto file = directory / "deaths.jsonl";
        if (!first_ever) {
          REQUIRE(DeathFile(directory.path())
                      .append({line_of("web", 1), line_of("web", 2)})
                      .has_value());
        }
        const auto before = fs::exists(file) ? fs::file_size(file) : 0;
        DeathFile archive(directory.path(), [&](std::string_view step) {
          if (step == cut_before) throw PowerCut();
        });
        // The last one is written in any case: the directory is synced only with the first.
        const bool reached = cut_before != "fsync directory" || first_ever;
        const std::vector<DeathLine> lines{line_of("web", 3), line_of("web", 4)};
        if (reached) {
          CHECK_THROWS_AS(archive.append(lines), PowerCut);
        } else {
          CHECK(archive.append(lines).has_value());
        }
        // What was not yet synced may be there in part, or its blocks as zeros.
        if (cut_before == "fdatasync") {
          const auto after = fs::file_size(file);
          const auto left = before + random() % (after - before + 1);
          fs::resize_file(file, left);
          if (round % 2 == 1) fs::resize_file(file, after);
        }
        auto found = kept(directory.path(), "web");
        const Generations old = first_ever ? Generations{} : Generations{2, 1};
        REQUIRE(found.size() >= old.size());
        const std::size_t more = found.size() - old.size();
        const std::vector<Generations> in_part{{}, {3}, {4, 3}};
        REQUIRE(more < in_part.size());
        Generations expected = in_part[more];
        expected.insert(expected.end(), old.begin(), old.end());
        CHECK(found == expected);

        // The next daemon goes on behind it.
        DeathFile next(directory.path());
        REQUIRE(next.append({line_of("web", 5)}).has_value());
        expected.insert(expected.begin(), 5);
        CHECK(kept(directory.path(), "web") == expected);
        DeathFile healed(directory.path());
        CHECK(healed.newest("web", 1, std::nullopt).has_value());
        CHECK(healed.take_remarks().empty());
      }
    }
  }
}

TEST_CASE("a power cut during a compaction leaves the old file or the new one", "[deaths]") {
  for (const std::string cut_before : {"compact: create", "compact: write", "compact: fsync",
                                       "compact: rename", "compact: fsync directory"}) {
    INFO("cut before " << cut_before);
    const auto directory = TemporaryDirectory::in_memory();
    const auto file = directory / "deaths.jsonl";
    std::uint64_t last = 0;
    bool cut = false;
    {
      DeathFile archive(directory.path(), [&](std::string_view step) {
        cut = cut || step == cut_before;
        if (step == cut_before) throw PowerCut();
      });
      while (!cut && last < 5000) {
        try {
          const auto done = archive.append({line_of("web", ++last)});
          REQUIRE(done.has_value());
        } catch (const PowerCut&) {
        }
      }
    }
    REQUIRE(cut);
    const auto fresh = directory / "deaths.jsonl.new";
    if (cut_before == "compact: fsync" && fs::exists(fresh)) fs::resize_file(fresh, 1000);
    Generations expected;
    for (std::uint64_t i = 0; i < kDeathsOfAnApp; ++i) expected.push_back(last - i);
    CHECK(kept(directory.path(), "web") == expected);
    // The next daemon does it over again.
    DeathFile next(directory.path());
    REQUIRE(next.append({line_of("web", last + 1)}).has_value());
    CHECK(lines_of(file).size() <= kDeathsOfAnApp + 1);
    CHECK_FALSE(fs::exists(fresh));
    CHECK(kept(directory.path(), "web").front() == last + 1);
    CHECK(kept(directory.path(), "web").size() == kDeathsOfAnApp);
  }
}

TEST_CASE("damaged lines cost only themselves", "[deaths][fuzz]") {
  constexpr unsigned kSeed = 5;
  INFO("seed " << kSeed);
  std::mt19937 random(kSeed);
  const auto directory = TemporaryDirectory::in_memory();
  const auto file = directory / "deaths.jsonl";
  const std::string good = line_of("web", 1).text();
  const std::string body = good.substr(0, good.size() - 1);
  const auto meaning = parse_document(body).value();
  const std::string after = line_of("web", 2).text();
  for (int round = 0; round < 3000; ++round) {
    std::string text = damage(body, random);
    // What a line end splits is more than one line; none of them is ever believed.
    const auto parsed = parse_document(text);
    write_file(file, text + "\n" + after);
    const auto found = kept(directory.path(), "web");
    if (parsed && *parsed == meaning && text.find('\n') == std::string::npos) {
      REQUIRE(found == Generations{2, 1});  // only blanks were harmed
    } else {
      REQUIRE(found == Generations{2});
    }
  }
}

TEST_CASE("damage is said, and gone after the next death", "[deaths]") {
  const TemporaryDirectory directory;
  const auto file = directory / "deaths.jsonl";
  write_file(file, line_of("web", 1).text() + std::string(200'000, 'x') + "\n{}\n" +
                       line_of("web", 2).text() + "{\"cut");
  DeathFile archive(directory.path());
  CHECK(generations(archive.newest("web", kAll, std::nullopt).value()) == Generations{2, 1});
  auto remarks = archive.take_remarks();
  REQUIRE(remarks.size() == 1);
  CHECK_THAT(remarks[0], Catch::Contains("3 lines of") && Catch::Contains("are damaged"));
  REQUIRE(archive.append({line_of("web", 3)}).has_value());
  CHECK(archive.take_remarks().empty());
  CHECK(lines_of(file).size() == 3);
  CHECK(kept(directory.path(), "web") == Generations{3, 2, 1});
}

TEST_CASE("what is no file is put aside", "[deaths]") {
  const TemporaryDirectory directory;
  const auto file = directory / "deaths.jsonl";
  SECTION("a directory") {
    fs::create_directory(file);
  }
  SECTION("a link to elsewhere") {
    write_file(directory / "elsewhere", line_of("web", 7).text());
    fs::create_symlink(directory / "elsewhere", file);
  }
  SECTION("a pipe") {
    REQUIRE(::mkfifo(file.c_str(), 0600) == 0);
  }
  DeathFile archive(directory.path());
  REQUIRE(archive.append({line_of("web", 1)}).has_value());
  const auto remarks = archive.take_remarks();
  REQUIRE(remarks.size() == 1);
  CHECK_THAT(remarks[0], Catch::Contains("not a regular file; put aside as"));
  CHECK(kept(directory.path(), "web") == Generations{1});
}

TEST_CASE("a file that somebody else changed is looked at again", "[deaths]") {
  const TemporaryDirectory directory;
  const auto file = directory / "deaths.jsonl";
  DeathFile archive(directory.path());
  REQUIRE(archive.append({line_of("web", 1)}).has_value());
  SECTION("deleted") {
    fs::remove(file);
    REQUIRE(archive.append({line_of("web", 2)}).has_value());
    CHECK(kept(directory.path(), "web") == Generations{2});
  }
  SECTION("replaced") {
    write_file(directory / "other", line_of("web", 8).text() + line_of("web", 9).text());
    fs::rename(directory / "other", file);
    CHECK(generations(archive.newest("web", kAll, std::nullopt).value()) == Generations{9, 8});
  }
}

TEST_CASE("a full disk: deaths wait in memory and are written when there is room", "[deaths]") {
  const auto disk = SmallDisk::make(64 << 10);
  if (!disk) return;
  Scene scene(disk->path());
  scene.archive.append(death_of("web", 1));
  scene.flush();
  const auto filler = disk->path() / "filler";
  write_file(filler, std::string(128 << 10, 'x'));
  const auto size = fs::file_size(disk->path() / "deaths.jsonl");

  for (std::uint64_t i = 2; i <= 200; ++i) scene.archive.append(death_of("web", i));
  scene.flush();
  CHECK(fs::file_size(disk->path() / "deaths.jsonl") == size);  // no half a line
  CHECK(kept(disk->path(), "web") == Generations{1});
  auto known = scene.known("web");
  CHECK(known.size() == kDeathsOfAnApp);
  CHECK(known.front() == 200);

  fs::remove(filler);
  scene.flush();
  CHECK(scene.known("web") == known);
  CHECK(kept(disk->path(), "web") == known);
}

TEST_CASE("it is tried again by itself", "[deaths]") {
  const TemporaryDirectory directory;
  bool broken = true;  // the worker's, but only while the loop waits for it
  const DeathArchive::Options options{.retry_after = std::chrono::milliseconds(1),
                                      .before_step = [&](std::string_view step) {
                                        if (broken && step == "open")
                                          throw std::runtime_error("Read-only file system");
                                      }};
  Scene scene(directory.path(), options);
  scene.archive.append(death_of("web", 1));
  scene.flush();
  CHECK_FALSE(fs::exists(directory / "deaths.jsonl"));
  CHECK(scene.known("web") == Generations{1});
  scene.flush();
  broken = false;
  scene.loop.restart();
  scene.loop.run();  // until the retry has written, which leaves nothing to wait for
  CHECK(kept(directory.path(), "web") == Generations{1});
}

TEST_CASE("a disk that doesn't answer delays nobody for long", "[deaths]") {
  const TemporaryDirectory directory;
  std::promise<void> disk_answers;
  auto answered = disk_answers.get_future().share();
  const DeathArchive::Options options{.limit = std::chrono::milliseconds(50),
                                      .before_step = [&](std::string_view step) {
                                        if (step == "write") answered.wait();
                                      }};
  Scene scene(directory.path(), options);
  scene.archive.append(death_of("web", 1));
  scene.flush();
  CHECK(generations(scene.read("web", 1).value()) == Generations{1});  // needs no disk
  CHECK(scene.known("web") == Generations{1});                         // better than nothing
  for (int i = 0; i < 2; ++i) {
    const auto other = scene.read("db");
    REQUIRE_FALSE(other.has_value());
    CHECK_THAT(other.error().message, Catch::Contains("the disk has not answered within 50 ms"));
  }
  disk_answers.set_value();
  while (!kept(directory.path(), "web").size()) scene.loop.run_one();
  scene.flush();
  CHECK(scene.read("db").value().empty());
  CHECK(scene.known("web") == Generations{1});
}

TEST_CASE("appending and reading side by side loses and doubles nothing", "[deaths]") {
  const auto directory = TemporaryDirectory::in_memory();
  Scene scene(directory.path());
  int reads = 0;
  const auto reader = [&](std::uint64_t known) -> Task<void> {
    const auto found = co_await scene.archive.read("web", kAll);
    const auto numbers = generations(found.value());
    REQUIRE(numbers.size() >= std::min<std::size_t>(known, kAll));
    for (std::size_t i = 1; i < numbers.size(); ++i) REQUIRE(numbers[i] + 1 == numbers[i - 1]);
    REQUIRE((numbers.empty() || numbers.front() >= known));
    ++reads;
  };
  for (std::uint64_t i = 1; i <= 500; ++i) {
    scene.archive.append(death_of("web", i));
    asio::co_spawn(scene.loop, reader(i), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
    if (i % 7 == 0) scene.loop.poll();
  }
  scene.loop.restart();
  scene.loop.run();
  CHECK(reads == 500);
  CHECK(kept(directory.path(), "web").front() == 500);
}
