#include "daemon/run/records.hpp"

#include <random>

#include <catch2/catch.hpp>

#include "common/json.hpp"
#include "daemon/run/document.hpp"
#include "tests/unit/daemon/logs/support.hpp"
#include "tests/unit/daemon/run/damage.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;

namespace {

GenerationRecord example() {
  GenerationRecord record;
  record.app = "front-end";
  record.instance = 1;
  record.generation = 7;
  record.pid = 4711;
  record.start_ticks = 123'456'789'012;
  record.boot_id = "5f0c1c7e-9d0b-4c5a-8a3e-0d9f3b1c2e4f";
  record.tree_mark = "front-end-1-7-a1b2c3";
  record.out_pipe = 90'001;
  record.phase = Phase::stopping;
  record.restarts = 3;
  record.consecutive_failures = 2;
  record.started_boot_ms = 98'765;
  record.started_at = "2026-01-02T03:04:05.678Z";
  record.port = 3000;
  record.spec_digest = "0123456789abcdef";
  record.pending_cause = Cause::verb;
  record.pending_verb = "restart";
  return record;
}

bool same(const GenerationRecord& a, const GenerationRecord& b) {
  return json::write(a) == json::write(b) && a.unknown == b.unknown;
}

fs::path only_file(const fs::path& directory) {
  return record_file(directory, "front-end", 1, 7);
}

}  // namespace

TEST_CASE("a record comes back as it was written", "[records]") {
  const TemporaryDirectory directory;
  CHECK(load_records(directory.path()).records.empty());
  CHECK(load_records(directory.path()).reports.empty());

  auto record = example();
  REQUIRE(write_record(directory.path(), record).has_value());
  CHECK(only_file(directory.path()).filename() == "front-end-1-7.json");
  auto loaded = load_records(directory.path());
  REQUIRE(loaded.records.size() == 1);
  CHECK(loaded.reports.empty());
  CHECK(same(loaded.records[0], record));

  record.phase = Phase::online;
  record.port.reset();
  REQUIRE(write_record(directory.path(), record).has_value());
  loaded = load_records(directory.path());
  REQUIRE(loaded.records.size() == 1);
  CHECK(same(loaded.records[0], record));

  remove_record(directory.path(), "front-end", 1, 7);
  remove_record(directory.path(), "front-end", 1, 7);
  CHECK(load_records(directory.path()).records.empty());
  CHECK(fs::is_empty(directory.path() / "generations"));
}

TEST_CASE("records come in the order of their slots", "[records]") {
  const TemporaryDirectory directory;
  auto record = example();
  for (const std::uint64_t generation : {10U, 9U, 100U}) {
    record.generation = generation;
    REQUIRE(write_record(directory.path(), record).has_value());
  }
  record.app = "a";
  REQUIRE(write_record(directory.path(), record).has_value());
  const auto loaded = load_records(directory.path());
  REQUIRE(loaded.records.size() == 4);
  CHECK(loaded.records[0].app == "a");
  CHECK(loaded.records[1].generation == 9);
  CHECK(loaded.records[3].generation == 100);
}

TEST_CASE("the records of version 1 load", "[records][golden]") {
  const TemporaryDirectory directory;
  fs::copy(fs::path(DIXIS_SOURCE_DIR) / "tests/golden/records/v1",
           directory.path() / "generations");
  const auto loaded = load_records(directory.path());
  CHECK(loaded.reports.empty());
  REQUIRE(loaded.records.size() == 2);
  CHECK(loaded.records[0].app == "backend");
  CHECK(loaded.records[0].phase == Phase::gated);
  CHECK_FALSE(loaded.records[0].pending_cause);
  CHECK(same(loaded.records[1], example()));
}

TEST_CASE("fields of a newer version are kept when a record is rewritten", "[records]") {
  const TemporaryDirectory directory;
  auto record = example();
  record.unknown = {{"sockets", {1, 2}}, {"colour", nullptr}};
  REQUIRE(write_record(directory.path(), record).has_value());
  auto loaded = load_records(directory.path());
  REQUIRE(loaded.records.size() == 1);
  CHECK(same(loaded.records[0], record));
  loaded.records[0].phase = Phase::online;
  REQUIRE(write_record(directory.path(), loaded.records[0]).has_value());
  CHECK(load_records(directory.path()).records[0].unknown == record.unknown);
}

TEST_CASE("a write that was cut off leaves the record before it", "[records]") {
  const TemporaryDirectory directory;
  REQUIRE(write_record(directory.path(), example()).has_value());
  const auto fresh = only_file(directory.path()).string() + ".new";
  write_file(fresh, "{\"app\":");
  const auto loaded = load_records(directory.path());
  CHECK(loaded.records.size() == 1);
  CHECK(loaded.reports.empty());
  CHECK_FALSE(fs::exists(fresh));
}

TEST_CASE("names that no file can have are refused", "[records]") {
  const TemporaryDirectory directory;
  for (const auto& name : {std::string(), std::string("../up"), std::string("a\0b", 3)}) {
    auto record = example();
    record.app = name;
    CHECK_FALSE(write_record(directory.path(), record).has_value());
  }
  const auto result = write_record(directory.path() / "nowhere", example());
  REQUIRE_FALSE(result.has_value());
  CHECK_THAT(result.error().message, Catch::EndsWith("No such file or directory"));
}

TEST_CASE("a damaged record is put aside and its process named, never believed", "[records]") {
  const TemporaryDirectory directory;
  auto record = example();
  REQUIRE(write_record(directory.path(), record).has_value());
  const auto file = only_file(directory.path());
  const auto text = read_file(file);

  SECTION("truncated behind the pid") {
    write_file(file, text.substr(0, text.find("start_ticks")));
    const auto loaded = load_records(directory.path());
    CHECK(loaded.records.empty());
    REQUIRE(loaded.reports.size() == 1);
    CHECK_THAT(loaded.reports[0],
               Catch::Contains("front-end-1-7.json is damaged (it is not JSON") &&
                   Catch::Contains("put aside as") &&
                   Catch::Contains("may have meant process 4711, which is left alone"));
    CHECK_FALSE(fs::exists(file));
    CHECK(load_records(directory.path()).reports.empty());
  }
  SECTION("nothing can be read") {
    write_file(file, "");
    CHECK_THAT(load_records(directory.path()).reports.at(0), Catch::EndsWith("can't be told"));
  }
  SECTION("another one's name") {
    fs::rename(file, record_file(directory.path(), "front-end", 2, 7));
    const auto loaded = load_records(directory.path());
    CHECK(loaded.records.empty());
    CHECK_THAT(loaded.reports.at(0), Catch::Contains("its name belongs to another one"));
  }
  SECTION("pids that would mean everybody") {
    for (const std::int64_t pid : {1, 0, -1, -4711}) {
      record.pid = pid;
      REQUIRE(write_record(directory.path(), record).has_value());
      const auto loaded = load_records(directory.path());
      CHECK(loaded.records.empty());
      CHECK_THAT(loaded.reports.at(0),
                 Catch::Contains("it names no process") && Catch::EndsWith("can't be told"));
    }
  }
  SECTION("of the wrong kind") {
    auto document = parse_document(text).value();
    document["port"] = "3000";
    write_file(file, document_text(document));
    CHECK_THAT(load_records(directory.path()).reports.at(0),
               Catch::Contains("port: expected a number"));
  }
}

TEST_CASE("5000 damaged records: none is believed, the others load", "[records][fuzz]") {
  constexpr unsigned kSeed = 11;
  INFO("seed " << kSeed);
  std::mt19937 random(kSeed);
  const auto directory = TemporaryDirectory::in_memory();
  const auto record = example();
  auto other = record;
  other.app = "other";
  REQUIRE(write_record(directory.path(), record).has_value());
  REQUIRE(write_record(directory.path(), other).has_value());
  const auto file = only_file(directory.path());
  const auto text = read_file(file);
  for (int round = 0; round < 5000; ++round) {
    write_file(file, damage(text, random));
    const auto loaded = load_records(directory.path());
    if (loaded.reports.empty()) {  // only blanks were harmed
      REQUIRE(loaded.records.size() == 2);
      REQUIRE(same(loaded.records[0], record));
    } else {
      REQUIRE(loaded.records.size() == 1);
      REQUIRE(same(loaded.records[0], other));
      for (const auto& entry : fs::directory_iterator(file.parent_path())) {
        if (entry.path().extension() != ".json") fs::remove(entry.path());
      }
    }
  }
}
