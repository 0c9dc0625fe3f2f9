#include "daemon/run/throttle.hpp"

#include <string>
#include <vector>

#include <boost/asio.hpp>
#include <catch2/catch.hpp>

using namespace dixis;
namespace asio = boost::asio;

namespace {

/// So many guests, each with a gate of its own to leave by.
class House {
 public:
  House(std::size_t places, std::size_t guests) : throttle_(places), gates_(guests) {
    for (std::size_t guest = 0; guest < guests; ++guest) {
      asio::co_spawn(loop_, visit(guest), asio::detached);
    }
    settle();
  }

  void leave(std::size_t guest) {
    gates_[guest].notify_all();
    settle();
  }

  std::vector<std::size_t> entered{};
  std::size_t inside = 0;

 private:
  Task<void> visit(std::size_t guest) {
    const auto place = co_await throttle_.enter();
    entered.push_back(guest);
    ++inside;
    co_await gates_[guest].wait();
    --inside;
  }

  void settle() {
    loop_.restart();
    loop_.poll();
  }

  asio::io_context loop_;
  Throttle throttle_;
  std::vector<Notifier> gates_;
};

using Guests = std::vector<std::size_t>;

}  // namespace

TEST_CASE("a throttle lets so many in, and the next when one leaves", "[run][throttle]") {
  House house(2, 4);
  CHECK(house.entered == Guests{0, 1});
  house.leave(1);
  CHECK(house.entered == Guests{0, 1, 2});
  CHECK(house.inside == 2);
  house.leave(0);
  CHECK(house.entered == Guests{0, 1, 2, 3});
  house.leave(3);
  house.leave(2);
  CHECK(house.inside == 0);
}

TEST_CASE("a throttle forgets nobody, and never lets too many in", "[run][throttle]") {
  constexpr std::size_t kGuests = 1000;
  House house(4, kGuests);
  for (std::size_t guest = 0; guest < kGuests; ++guest) {
    if (house.inside > 4) FAIL("too many inside: " << house.inside);
    house.leave(guest);
  }
  CHECK(house.entered.size() == kGuests);
  CHECK(house.inside == 0);
}

TEST_CASE("two places freed at once are two places", "[run][throttle]") {
  asio::io_context loop;
  Throttle throttle(2);
  std::vector<Throttle::Place> places;
  const auto enter = [](Throttle& where, std::vector<Throttle::Place>& out) -> Task<void> {
    auto place = co_await where.enter();
    out.push_back(std::move(place));
  };
  for (int i = 0; i < 4; ++i) asio::co_spawn(loop, enter(throttle, places), asio::detached);
  loop.poll();
  REQUIRE(places.size() == 2);
  places.clear();
  loop.poll();
  CHECK(places.size() == 2);
}
