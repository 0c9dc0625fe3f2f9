#include "daemon/run/event_bus.hpp"

#include <string>

#include <boost/asio.hpp>
#include <catch2/catch.hpp>

using namespace dixis;

namespace {

Event event(const std::string& message) {
  Event out;
  out.type = "spawned";
  out.message = message;
  return out;
}

}  // namespace

TEST_CASE("each subscriber gets each event from its subscription on", "[run][events]") {
  EventBus bus;
  bus.publish(event("before"));
  const auto first = bus.subscribe();
  bus.publish(event("one"));
  const auto second = bus.subscribe();
  bus.publish(event("two"));
  REQUIRE(first->events.size() == 2);
  CHECK(first->events[0].message == "one");
  CHECK(first->events[1].message == "two");
  REQUIRE(second->events.size() == 1);
  CHECK(second->events[0].message == "two");
}

TEST_CASE("an event is stamped with the time of day in UTC", "[run][events]") {
  EventBus bus;
  const auto queue = bus.subscribe();
  bus.publish(event("now"));
  const std::string& at = queue->events.at(0).at;
  REQUIRE(at.size() == std::string("2026-01-02T03:04:05.678Z").size());
  CHECK(at[10] == 'T');
  CHECK(at.back() == 'Z');
}

TEST_CASE("a subscriber that doesn't read loses the oldest, counted", "[run][events]") {
  EventBus bus;
  const auto slow = bus.subscribe();
  const std::size_t many = EventQueue::kCapacity + 10;
  for (std::size_t i = 0; i < many; ++i) bus.publish(event(std::to_string(i)));
  CHECK(slow->events.size() == EventQueue::kCapacity);
  CHECK(slow->dropped == 10);
  CHECK(slow->events.front().message == "10");
  CHECK(slow->events.back().message == std::to_string(many - 1));
}

TEST_CASE("a subscription ends with its pointer", "[run][events]") {
  EventBus bus;
  std::weak_ptr<EventQueue> gone;
  {
    const auto queue = bus.subscribe();
    gone = queue;
    bus.publish(event("one"));
  }
  CHECK(gone.expired());
  bus.publish(event("two"));  // to nobody
}

TEST_CASE("an event wakes who waits for it", "[run][events]") {
  boost::asio::io_context loop;
  EventBus bus;
  const auto queue = bus.subscribe();
  bool woken = false;
  const auto wait = [](std::shared_ptr<EventQueue> on, bool& done) -> Task<void> {
    co_await on->changed.wait();
    done = true;
  };
  boost::asio::co_spawn(loop, wait(queue, woken), boost::asio::detached);
  loop.poll();
  CHECK_FALSE(woken);
  bus.publish(event("one"));
  loop.poll();
  CHECK(woken);
}
