#include "daemon/run/operation_record.hpp"

#include <random>

#include <catch2/catch.hpp>

#include "common/json.hpp"
#include "daemon/run/operation_book.hpp"
#include "tests/unit/daemon/logs/support.hpp"
#include "tests/unit/daemon/run/damage.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

const std::string kBoot = "5f0c1c7e-9d0b-4c5a-8a3e-0d9f3b1c2e4f";

OperationRecord restart() {
  OperationRecord record;
  record.id = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
  record.order = 7;
  record.boot_id = kBoot;
  record.verb = "restart";
  record.pid = 4242;
  record.uid = 1001;
  record.force = true;
  record.slots = {{"front-end", 1, 8, true, false}};
  record.deadline_ms = 150'000;
  record.remembered = true;
  return record;
}

fs::path file_of(const fs::path& directory, const std::string& id) {
  return directory / "operations" / (id + ".json");
}

OperationPtr operation(const std::string& id) {
  return std::make_shared<Operation>(id, 1'000ms);
}

VerbResult done() {
  return {.outcomes = {{.app = "web", .ok = true, .message = "restarted"}}};
}

}  // namespace

TEST_CASE("an operation's record comes back as it was written", "[operations]") {
  const TemporaryDirectory directory;
  auto record = restart();
  record.unknown = {{"colour", "blue"}};
  REQUIRE(write_operation(directory.path(), record).has_value());
  const auto read = read_operation(directory.path(), record.id);
  REQUIRE(read.has_value());
  CHECK(json::write(*read) == json::write(record));
  CHECK(read->unknown == record.unknown);
  remove_operation(directory.path(), record.id);
  CHECK(load_operations(directory.path()).records.empty());
}

TEST_CASE("the operations of version 1 load", "[operations][golden]") {
  const TemporaryDirectory directory;
  fs::copy(fs::path(DIXIS_SOURCE_DIR) / "tests/golden/operations/v1",
           directory.path() / "operations");
  const auto loaded = load_operations(directory.path());
  CHECK(loaded.reports.empty());
  REQUIRE(loaded.records.size() == 2);
  CHECK(loaded.records[0].verb == "load");
  REQUIRE(loaded.records[0].plan);
  CHECK(loaded.records[0].plan->at(0).action == "restart");
  REQUIRE(loaded.records[0].result);
  CHECK(loaded.records[0].result->outcomes.at(0).pid == 4711);
  CHECK(json::write(loaded.records[1]) == json::write(restart()));
}

TEST_CASE("ids are file names and nothing else", "[operations]") {
  for (const char* good : {"a", "0f1e-2D", "98765-3"}) CHECK(is_operation_id(good));
  for (const char* bad : {"", ".", "..", "a/b", "a.json", "a b", "é", "-\n"}) {
    CHECK_FALSE(is_operation_id(bad));
  }
  CHECK(is_operation_id(std::string(64, 'a')));
  CHECK_FALSE(is_operation_id(std::string(65, 'a')));
}

TEST_CASE("a damaged record costs only itself, and its id stays known", "[operations][fuzz]") {
  std::mt19937 random(20261124);
  const auto other = restart();
  for (int round = 0; round < 400; ++round) {
    const TemporaryDirectory directory;
    auto record = restart();
    record.id = "hit";
    REQUIRE(write_operation(directory.path(), other).has_value());
    REQUIRE(write_operation(directory.path(), record).has_value());
    const auto file = file_of(directory.path(), "hit");
    write_file(file, damage(read_file(file), random));
    const auto loaded = load_operations(directory.path());
    INFO("round " << round);
    // A change between two tokens may leave the content as it was: then it is no damage.
    REQUIRE(loaded.records.size() + loaded.damaged.size() == 2);
    if (loaded.records.size() == 2) {
      CHECK(json::write(loaded.records[1].id == "hit" ? loaded.records[1] : loaded.records[0]) ==
            json::write(record));
      continue;
    }
    CHECK(json::write(loaded.records[0]) == json::write(other));
    CHECK(loaded.damaged == std::vector<std::string>{"hit"});
    CHECK(loaded.reports.size() == 1);
    CHECK_FALSE(fs::exists(file));

    OperationBook book(directory.path(), kBoot);
    CHECK(book.take_back().size() == 1);
  }
}

TEST_CASE("what lies there instead of a record is put aside", "[operations][fuzz]") {
  const TemporaryDirectory directory;
  REQUIRE(write_operation(directory.path(), restart()).has_value());
  const auto file = file_of(directory.path(), restart().id);
  fs::remove(file);
  SECTION("a directory") {
    fs::create_directory(file);
  }
  SECTION("a link to somewhere else") {
    fs::create_symlink("/etc/passwd", file);
  }
  SECTION("nothing in it") {
    write_file(file, "");
  }
  SECTION("too much") {
    write_file(file, "{");
    fs::resize_file(file, 17U << 20U);
  }
  SECTION("far too deep") {
    write_file(file, std::string(2'000'000, '['));
  }
  SECTION("another's name") {
    auto record = restart();
    record.id = "other";
    REQUIRE(write_operation(directory.path(), record).has_value());
    fs::rename(file_of(directory.path(), "other"), file);
  }
  const auto loaded = load_operations(directory.path());
  CHECK(loaded.records.empty());
  CHECK(loaded.damaged == std::vector<std::string>{restart().id});
}

TEST_CASE("the next daemon finds what had not ended, in its order", "[operations]") {
  const TemporaryDirectory directory;
  {
    OperationBook book(directory.path(), kBoot);
    for (const char* id : {"c", "a", "b"}) book.enter(operation(id), {.verb = "restart"});
    const auto found = book.find("a");
    REQUIRE(found);
    found->operation->set_remembered({});
    found->operation->finish(done());
  }
  OperationBook book(directory.path(), kBoot);
  const auto unfinished = book.take_back();
  REQUIRE(unfinished.size() == 2);
  CHECK(unfinished[0].record.id == "c");
  CHECK(unfinished[1].record.id == "b");
  CHECK_FALSE(unfinished[1].record.remembered);
  const auto ended = book.find("a");
  REQUIRE(ended);
  REQUIRE(ended->operation->result());
  CHECK(ended->operation->result()->outcomes.at(0).message == "restarted");

  // What it goes on with ends as if it had begun it.
  unfinished[0].operation->finish(done());
  OperationBook third(directory.path(), kBoot);
  CHECK(third.take_back().size() == 1);
}

TEST_CASE("nothing of another boot is gone on with", "[operations]") {
  const TemporaryDirectory directory;
  OperationBook before(directory.path(), "another boot");
  before.enter(operation("a"), {.verb = "restart"});
  OperationBook book(directory.path(), kBoot);
  CHECK(book.take_back().empty());
  CHECK_FALSE(book.contains("a"));
  CHECK_FALSE(fs::exists(file_of(directory.path(), "a")));
}

TEST_CASE("what was withdrawn has never been", "[operations]") {
  const TemporaryDirectory directory;
  OperationBook book(directory.path(), kBoot);
  const auto withdrawn = operation("a");
  book.enter(withdrawn, {.verb = "load"});
  book.withdraw("a");
  CHECK(withdrawn->withdrawn());
  CHECK_FALSE(book.contains("a"));
  OperationBook next(directory.path(), kBoot);
  CHECK(next.take_back().empty());
}

TEST_CASE("a damaged one is known as one that nobody can tell of", "[operations]") {
  const TemporaryDirectory directory;
  {
    OperationBook book(directory.path(), kBoot);
    book.enter(operation("a"), {.verb = "restart"});
  }
  write_file(file_of(directory.path(), "a"), "{\"version\":1}");
  for (int daemon = 0; daemon < 2; ++daemon) {  // the second one finds what the first wrote
    OperationBook book(directory.path(), kBoot);
    CHECK(book.take_back().empty());
    const auto found = book.find("a");
    REQUIRE(found);
    CHECK(found->record.lost);
  }
}

TEST_CASE("the ends of verbs are kept for a while, and only so many", "[operations]") {
  const TemporaryDirectory directory;
  OperationBook book(directory.path(), kBoot);
  for (int number = 0; number < 700; ++number) {
    const auto one = operation("op-" + std::to_string(number));
    book.enter(one, {.verb = "start"});
    one->finish(done());
  }
  const auto files = std::distance(fs::directory_iterator(directory.path() / "operations"), {});
  CHECK(files >= 500);
  CHECK(files <= 502);
  CHECK(book.contains("op-699"));
  CHECK_FALSE(book.contains("op-0"));
}
