#include "ctl/moment.hpp"

#include <cstdlib>
#include <ctime>

#include <catch2/catch.hpp>

using namespace dixis::ctl;

namespace {

/// Local time for as long as it lives.
class Zone {
 public:
  explicit Zone(const char* name) { set(name); }
  ~Zone() { set("UTC"); }
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;

 private:
  static void set(const char* name) {
    ::setenv("TZ", name, 1);
    ::tzset();
  }
};

constexpr std::int64_t kNow = 1'767'360'605'678;  // 2026-01-02T13:30:05.678Z

std::optional<std::int64_t> at(std::string_view text) {
  return parse_moment(text, std::chrono::system_clock::time_point(std::chrono::milliseconds(kNow)));
}

}  // namespace

TEST_CASE("a time is written as people write it", "[moment]") {
  const Zone zone("CET-1");
  constexpr std::int64_t kMidnight = 1'767'308'400'000;  // 2026-01-02T00:00+01:00
  CHECK(at("now") == kNow);
  CHECK(at("10m") == kNow - 600'000);
  CHECK(at("1.5h ago") == kNow - 5'400'000);
  CHECK(at("today") == kMidnight);
  CHECK(at("yesterday") == kMidnight - 86'400'000);
  CHECK(at("14:30") == kMidnight + (14 * 60 + 30) * 60'000);
  CHECK(at("14:30:05") == kMidnight + ((14 * 60 + 30) * 60 + 5) * 1000);
  CHECK(at("2026-01-02") == kMidnight);
  CHECK(at("2026-01-01 23:00") == kMidnight - 3'600'000);
  CHECK(at("2026-01-02T14:30:05.678") == kNow);
  CHECK(at("2026-01-02T13:30:05.678Z") == kNow);
  CHECK(at("2026-01-02T15:30:05.678+02:00") == kNow);
  CHECK(at("2026-01-02 08:30:05.6-0500") == kNow - 78);
  CHECK(at("@1767360605") == kNow - 678);
  for (const auto* text : {"",
                           "soon",
                           "10",
                           "-10m",
                           "25:00",
                           "12:60",
                           "2026-13-01",
                           "2026-01-32",
                           "2026-01-02 ",
                           "2026-01-02T",
                           "2026-01-02 14:30 CET",
                           "14:30Z",
                           "@",
                           "@x",
                           "@-5",
                           "14:30 ago",
                           "1:30",
                           "2026-01-02 14:30:05.",
                           "tomorrow",
                           "@99999999999999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(at(text));
  }
}

TEST_CASE("a time that is shown can be asked for", "[moment]") {
  const Zone zone("IST-5:30");
  CHECK(moment_words(kNow) == "2026-01-02 19:00:05.678");
  CHECK(at(moment_words(kNow)) == kNow);
}
