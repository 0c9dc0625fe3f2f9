#include "daemon/run/slot_record.hpp"

#include <random>

#include <catch2/catch.hpp>

#include "daemon/run/document.hpp"
#include "tests/unit/daemon/logs/support.hpp"
#include "tests/unit/daemon/run/damage.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;

namespace {

constexpr const char* kBoot = "5f0c1c7e-9d0b-4c5a-8a3e-0d9f3b1c2e4f";

SlotRecord example() {
  SlotRecord record;
  record.app = "front-end";
  record.instance = 1;
  record.boot_id = kBoot;
  record.state = State::backoff;
  record.message = "exited with 1";
  record.next_generation = 8;
  record.restarts = 3;
  record.failures = 2;
  record.retry_at_ms = 98'765;
  return record;
}

SlotRecord being_ended() {
  SlotRecord record = example();
  record.app = "backend";
  record.instance = 0;
  record.state = State::stopping;
  record.message = "";
  record.retry_at_ms.reset();
  record.relaunch = true;
  record.generation = 7;
  record.proven_at_ms = 90'000;
  record.well_until_ms = 95'000;
  record.ended_for = EndingRecord{Cause::verb, "`dixisctl restart` (uid 0, pid 4711)"};
  return record;
}

}  // namespace

TEST_CASE("a slot's record comes back as it was written", "[slots]") {
  const TemporaryDirectory directory;
  CHECK(load_slots(directory.path(), kBoot).slots.empty());
  auto record = example();
  record.unknown = {{"colour", "red"}};
  REQUIRE(write_slot(directory.path(), record).has_value());
  REQUIRE(write_slot(directory.path(), being_ended()).has_value());
  const auto loaded = load_slots(directory.path(), kBoot);
  CHECK(loaded.reports.empty());
  REQUIRE(loaded.slots.size() == 2);
  CHECK(loaded.slots.at({"front-end", 1}) == record);
  CHECK(loaded.slots.at({"backend", 0}) == being_ended());
  CHECK(load_slots(directory.path(), "another boot").slots.empty());
  CHECK(fs::is_empty(directory.path() / "slots"));
}

TEST_CASE("a record is what the machine holds", "[slots]") {
  const auto slot = from_record(being_ended());
  REQUIRE(slot.current);
  CHECK(slot.current->ended_for->cause == Cause::verb);
  auto back = to_record(slot);
  back.app = "backend";
  back.boot_id = kBoot;
  CHECK(back == being_ended());
}

TEST_CASE("the slots of version 1 load", "[slots][golden]") {
  const TemporaryDirectory directory;
  fs::copy(fs::path(DIXIS_SOURCE_DIR) / "tests/golden/slots/v1", directory.path() / "slots");
  const auto loaded = load_slots(directory.path(), kBoot);
  CHECK(loaded.reports.empty());
  REQUIRE(loaded.slots.size() == 2);
  CHECK(loaded.slots.at({"front-end", 1}) == example());
  CHECK(loaded.slots.at({"backend", 0}) == being_ended());
}

TEST_CASE("5000 damaged slots: none is believed, the others load", "[slots][fuzz]") {
  constexpr unsigned kSeed = 12;
  INFO("seed " << kSeed);
  std::mt19937 random(kSeed);
  const auto directory = TemporaryDirectory::in_memory();
  REQUIRE(write_slot(directory.path(), example()).has_value());
  REQUIRE(write_slot(directory.path(), being_ended()).has_value());
  const auto file = slot_file(directory.path(), "front-end", 1);
  const auto text = read_file(file);
  for (int round = 0; round < 5000; ++round) {
    write_file(file, damage(text, random));
    const auto loaded = load_slots(directory.path(), kBoot);
    if (loaded.reports.empty()) {  // only blanks were harmed
      REQUIRE(loaded.slots.size() == 2);
      REQUIRE(loaded.slots.at({"front-end", 1}) == example());
    } else {
      REQUIRE(loaded.slots.size() == 1);
      REQUIRE(loaded.slots.at({"backend", 0}) == being_ended());
      for (const auto& entry : fs::directory_iterator(file.parent_path())) {
        if (entry.path().extension() != ".json") fs::remove(entry.path());
      }
    }
  }
}
