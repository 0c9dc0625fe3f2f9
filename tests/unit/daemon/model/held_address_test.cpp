#include "daemon/model/held_address.hpp"

#include <catch2/catch.hpp>

#include "daemon/model/instance_words.hpp"

using namespace dixis;

TEST_CASE("addresses of held sockets", "[listen]") {
  for (const char* text :
       {"127.0.0.1:3000", "[::1]:3000", "[::]:80", "unix:/run/shop.sock", "0.0.0.0:1"}) {
    INFO(text);
    const auto address = parse_held_address(text);
    REQUIRE(address.has_value());
    CHECK(to_text(*address) == text);
  }
  CHECK(to_text(*parse_held_address("3000")) == "[::]:3000");
  CHECK(to_text(*parse_held_address("localhost:3000")) == "127.0.0.1:3000");
  for (const char* text :
       {"shop.example:80", "unix:run/x", "unix:/", "127.0.0.1", "::1:3000", ""}) {
    INFO(text);
    CHECK_FALSE(parse_held_address(text).has_value());
  }
}

TEST_CASE("what differs from instance to instance", "[listen]") {
  CHECK(for_instance("3001+{instance}", 0) == "3001");
  CHECK(for_instance("3001+{instance}", 12) == "3013");
  CHECK(for_instance("web-{instance}.log", 2) == "web-2.log");
  CHECK(for_instance("{instance}{instance}", 3) == "33");
  CHECK(for_instance("+{instance}", 3) == "+3");
  CHECK(for_instance("a 1+{instance} b 2+{instance}", 1) == "a 2 b 3");
  CHECK(for_instance("99999999999999999999+{instance}", 1) == "99999999999999999999+1");
  CHECK(for_instance("nothing", 1) == "nothing");
}
