#include "daemon/run/health_book.hpp"

#include <catch2/catch.hpp>

using namespace dixis;
using Change = HealthBook::Change;

namespace {

ProbeSpec probe(std::uint32_t failures, std::uint32_t successes) {
  ProbeSpec spec;
  spec.name = "http /api/health";
  spec.failures = failures;
  spec.successes = successes;
  return spec;
}

/// A book with a clock that goes on by a second an answer.
struct Diary {
  HealthBook book;
  std::int64_t now_ms = 10'000;

  Change note(bool good, std::size_t index = 0) {
    now_ms += 1'000;
    ProbeReport report;
    report.probe = book.probes().at(index).name;
    report.good = good;
    report.message = good ? "200 OK" : "500 Internal Server Error";
    report.latency_ms = 7;
    return book.note(index, report, now_ms);
  }
};

}  // namespace

TEST_CASE("without probes there is no health", "[health]") {
  const HealthBook book;
  CHECK(book.well());
  CHECK_FALSE(book.ill());
  CHECK_FALSE(book.view(0));
}

TEST_CASE("health is unknown until it is known", "[health]") {
  Diary diary{HealthBook({probe(3, 2)})};
  CHECK(diary.book.view(0)->status == "unknown");
  CHECK(diary.note(true) == Change::none);
  CHECK_FALSE(diary.book.well());
  CHECK(diary.note(true) == Change::none);
  CHECK(diary.book.well());
  CHECK(diary.book.view(diary.now_ms + 500)->status == "healthy");
  CHECK(diary.book.view(diary.now_ms + 500)->checked_ms_ago == 500);
  CHECK(diary.book.view(diary.now_ms)->latency_ms == 7);
  CHECK(diary.book.view(diary.now_ms)->message.empty());
}

TEST_CASE("it takes N failures in a row to be ill, and N successes to be well again", "[health]") {
  Diary diary{HealthBook({probe(3, 2)})};
  diary.note(true);
  diary.note(true);
  const auto good_at = diary.now_ms;
  CHECK(diary.note(false) == Change::none);
  CHECK(diary.note(false) == Change::none);
  CHECK(diary.book.view(0)->status == "healthy");
  SECTION("one good answer begins the count anew") {
    CHECK(diary.note(true) == Change::none);
    CHECK(diary.note(false) == Change::none);
    CHECK(diary.note(false) == Change::none);
    CHECK_FALSE(diary.book.ill());
  }
  SECTION("the third is one too many") {
    CHECK(diary.note(false) == Change::fell_ill);
    CHECK(diary.book.complaint() ==
          "http /api/health: 500 Internal Server Error, 3 times in a row");
    CHECK(diary.book.view(0)->status == "unhealthy");
    CHECK(diary.book.view(0)->message == diary.book.complaint());
    CHECK(diary.book.well_until(1) == good_at);
    CHECK(diary.note(false) == Change::none);
    CHECK(diary.note(true) == Change::none);
    CHECK(diary.book.ill());
    CHECK(diary.note(true) == Change::recovered);
    CHECK(diary.book.complaint().empty());
    CHECK(diary.book.last_answer() == "http /api/health: 200 OK");
  }
}

TEST_CASE("one ill probe of several is enough, and all have to be well", "[health]") {
  auto second = probe(1, 1);
  second.name = "tcp";
  Diary diary{HealthBook({probe(1, 1), second})};
  CHECK(diary.note(true, 0) == Change::none);
  CHECK_FALSE(diary.book.well());
  CHECK(diary.note(true, 1) == Change::none);
  CHECK(diary.book.well());
  CHECK(diary.note(false, 1) == Change::fell_ill);
  CHECK(diary.note(false, 0) == Change::none);
  CHECK(diary.note(true, 1) == Change::none);
  CHECK(diary.book.ill());
  CHECK(diary.note(true, 0) == Change::recovered);
}

TEST_CASE("what was never good was well until it was proven", "[health]") {
  Diary diary{HealthBook({probe(1, 1)})};
  diary.note(false);
  CHECK(diary.book.well_until(4711) == 4711);
}

TEST_CASE("the last twenty answers are kept, newest first", "[health]") {
  Diary diary{HealthBook({probe(100, 1)})};
  for (int i = 0; i < 30; ++i) diary.note(i < 29);
  const auto history = diary.book.history();
  REQUIRE(history.size() == 20);
  CHECK_FALSE(history.front().good);
  CHECK(history.back().good);
}
