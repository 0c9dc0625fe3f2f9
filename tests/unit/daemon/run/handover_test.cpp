#include "daemon/run/handover.hpp"

#include <random>

#include <catch2/catch.hpp>

#include "common/json.hpp"
#include "daemon/run/document.hpp"
#include "tests/unit/daemon/logs/support.hpp"
#include "tests/unit/daemon/run/damage.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

Handover example() {
  Handover out;
  out.from = "0.1.0";
  out.image = 11;
  out.lock = 3;
  out.control = 4;
  out.control_is_ours = false;
  out.client = 17;
  out.kept = {{"k1234567", 20, true}, {"kabcdefg", 21, false}};
  return out;
}

bool same(const Handover& a, const Handover& b) {
  return json::write(a) == json::write(b) && json::write(a.kept) == json::write(b.kept) &&
         a.unknown == b.unknown;
}

}  // namespace

TEST_CASE("a hand-over comes back as it was written", "[handover]") {
  auto handover = example();
  handover.unknown = {{"operations", {1, 2}}};
  const auto fd = write_handover(handover);
  REQUIRE(fd.has_value());
  for (int reads = 0; reads < 2; ++reads) {
    const auto loaded = read_handover(fd->get());
    REQUIRE(loaded.has_value());
    CHECK(loaded->reports.empty());
    CHECK(same(loaded->handover, handover));
  }
  CHECK(descriptors_of(handover) == std::vector<int>{11, 3, 4, 17, 20, 21});
  CHECK_FALSE(read_handover(-1).has_value());
  CHECK_FALSE(read_handover(UniqueFd(::open("/dev/null", O_RDONLY)).get()).has_value());
}

TEST_CASE("the hand-over of version 1 loads", "[handover][golden]") {
  const auto file = std::filesystem::path(DIXIS_SOURCE_DIR) / "tests/golden/handover/v1.json";
  const auto loaded = parse_handover(read_file(file));
  REQUIRE(loaded.has_value());
  CHECK(loaded->reports.empty());
  CHECK(same(loaded->handover, example()));
}

TEST_CASE("a damaged part of a hand-over costs itself", "[handover]") {
  auto document = parse_document(handover_text(example())).value();
  auto& kept = document["kept"].as_array();
  SECTION("one descriptor") {
    kept[0].as_object()["fd"] = "twenty";
    kept.push_back(boost::json::object{{"name", "k0000000"}, {"fd", 1}});  // standard output
    const auto loaded = parse_handover(document_text(document));
    REQUIRE(loaded.has_value());
    CHECK(loaded->reports.size() == 2);
    REQUIRE(loaded->handover.kept.size() == 1);
    CHECK(loaded->handover.kept[0].name == "kabcdefg");
  }
  SECTION("all of them") {
    document["kept"] = nullptr;
    const auto loaded = parse_handover(document_text(document));
    REQUIRE(loaded.has_value());
    CHECK(loaded->reports.size() == 1);
    CHECK(loaded->handover.lock == 3);
  }
}

TEST_CASE("5000 damaged hand-overs are refused", "[handover][fuzz]") {
  constexpr unsigned kSeed = 13;
  INFO("seed " << kSeed);
  std::mt19937 random(kSeed);
  const auto text = handover_text(example());
  for (int round = 0; round < 5000; ++round) {
    const auto loaded = parse_handover(damage(text, random));
    if (loaded) REQUIRE(same(loaded->handover, example()));  // only blanks were harmed
  }
}
