#include "daemon/sys/clock.hpp"

#include <fcntl.h>
#include <regex>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "daemon/sys/fd.hpp"
#include "daemon/sys/process_table.hpp"

using namespace dixis;

TEST_CASE("times are RFC 3339 in UTC with milliseconds", "[sys][clock]") {
  using std::chrono::milliseconds;
  using Time = std::chrono::system_clock::time_point;
  CHECK(format_wall_clock(Time(milliseconds(0))) == "1970-01-01T00:00:00.000Z");
  CHECK(format_wall_clock(Time(milliseconds(1767323045678))) == "2026-01-02T03:04:05.678Z");
  CHECK(format_wall_clock(Time(milliseconds(-1))) == "1969-12-31T23:59:59.999Z");
  CHECK(
      std::regex_match(wall_clock_now(), std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")));
}

TEST_CASE("boot time and a process's start are on one scale", "[sys][clock]") {
  const auto before = boottime_ms();
  const auto start = ticks_to_ms(read_process(::getpid(), false)->start_ticks);
  CHECK(start > 0);
  CHECK(start <= boottime_ms());
  CHECK(before <= boottime_ms());
  CHECK(ticks_to_ms(static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK))) == 1000);
}

TEST_CASE("this boot has an id", "[sys][clock]") {
  CHECK(std::regex_match(boot_id(), std::regex("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")));
}

TEST_CASE("a descriptor has one owner", "[sys][fd]") {
  UniqueFd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = first.get();
  REQUIRE(first);
  UniqueFd second = std::move(first);
  CHECK(second.get() == number);
  CHECK(::fcntl(number, F_GETFD) >= 0);
  second = UniqueFd();
  CHECK(::fcntl(number, F_GETFD) == -1);
  UniqueFd third(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const UniqueFd fourth(third.release());
  CHECK_FALSE(third);
  CHECK(::fcntl(fourth.get(), F_GETFD) >= 0);
}
