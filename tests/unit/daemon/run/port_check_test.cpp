#include "daemon/run/port_check.hpp"

#include <csignal>
#include <optional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/unit/daemon/run/ports.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

Listener listener(const std::string& address, std::uint16_t port = 3000) {
  Listener out;
  out.address = address;
  out.ipv6 = address.find(':') != std::string::npos;
  out.port = port;
  return out;
}

bool collides(const std::string& there, const std::string& wanted) {
  return concerns(listener(there), {wanted, 3000});
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool has_ipv6() {
  return try_bind("::1", 0) == 0;
}

/// A child that holds what this process has open, until it is destroyed.
class Heir {
 public:
  Heir() : pid_(::fork()) {
    if (pid_ != 0) return;
    while (true) ::pause();
  }
  ~Heir() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Heir(const Heir&) = delete;
  Heir& operator=(const Heir&) = delete;

  TreeKey tree() const { return {.leader = pid_}; }

 private:
  pid_t pid_;
};

}  // namespace

TEST_CASE("addresses are written as people write them", "[run][port]") {
  CHECK(to_text(listener("127.0.0.1")) == "127.0.0.1:3000");
  CHECK(to_text(listener("::")) == "[::]:3000");
}

TEST_CASE("which listeners stand in an app's way", "[run][port]") {
  CHECK_FALSE(concerns(listener("127.0.0.1", 3001), {"127.0.0.1", 3000}));
  SECTION("the same address, and no other") {
    CHECK(collides("127.0.0.1", "127.0.0.1"));
    CHECK_FALSE(collides("127.0.0.2", "127.0.0.1"));
    CHECK_FALSE(collides("::1", "127.0.0.1"));
  }
  SECTION("who takes all addresses collides with any") {
    for (const std::string there : {"127.0.0.1", "10.0.0.1", "0.0.0.0", "::", "::1"}) {
      INFO(there);
      CHECK(collides(there, ""));
      CHECK(collides(there, "::"));
    }
  }
  SECTION("a :: that leaves IPv4 to others stands in nobody's way there") {
    auto there = listener("::");
    there.v6only = true;
    CHECK_FALSE(concerns(there, {"127.0.0.1", 3000}));
    CHECK_FALSE(concerns(there, {"0.0.0.0", 3000}));
    CHECK(concerns(there, {"::1", 3000}));
    CHECK(concerns(there, {"::", 3000}));
  }
  SECTION("a wildcard takes those of its family; :: IPv4 too") {
    CHECK(collides("0.0.0.0", "127.0.0.1"));
    CHECK(collides("::", "127.0.0.1"));
    CHECK(collides("::", "::1"));
    CHECK_FALSE(collides("0.0.0.0", "::1"));
  }
  SECTION("localhost is both loopbacks") {
    CHECK(collides("127.0.0.1", "localhost"));
    CHECK(collides("::1", "localhost"));
    CHECK_FALSE(collides("10.0.0.1", "localhost"));
  }
  SECTION("a name could be anything") {
    CHECK(collides("10.0.0.1", "shop.example"));
  }
}

TEST_CASE("a free port passes", "[run][port]") {
  for (const std::string host : {"", "127.0.0.1", "0.0.0.0", "localhost"}) {
    INFO(host);
    const ListenAddress address{host, free_port()};
    const auto checked = check_port("shop", address, {});
    if (!checked) FAIL(checked.error().message);
    CHECK(check_port_released("shop", address).has_value());
  }
}

TEST_CASE("a taken port is refused, and names its holder", "[run][port]") {
  const Listens other("127.0.0.1");
  for (const std::string host : {"", "127.0.0.1", "0.0.0.0", "localhost"}) {
    INFO(host);
    const auto checked = check_port("shop", {host, other.port()}, {});
    REQUIRE_FALSE(checked.has_value());
    const auto& message = checked.error().message;
    CHECK(contains(message, "cannot start shop: port " + std::to_string(other.port())));
    CHECK(contains(message, "pid " + std::to_string(::getpid())));
    CHECK(contains(message, "listens on 127.0.0.1:" + std::to_string(other.port())));
    CHECK_FALSE(checked.error().hint.empty());
  }
  CHECK(check_port("shop", {"127.0.0.2", other.port()}, {}).has_value());
}

TEST_CASE("an IPv6 listener is in the way of who takes all addresses", "[run][port]") {
  if (!has_ipv6()) return;
  const Listens other("::1");
  CHECK_FALSE(check_port("shop", {"", other.port()}, {}).has_value());
  CHECK_FALSE(check_port("shop", {"localhost", other.port()}, {}).has_value());
  CHECK(check_port("shop", {"127.0.0.1", other.port()}, {}).has_value());
}

TEST_CASE("a socket that is bound and doesn't listen is told as such", "[run][port]") {
  namespace asio = boost::asio;
  asio::io_context loop;
  asio::ip::tcp::socket bound(loop, asio::ip::tcp::v4());
  bound.bind({asio::ip::make_address("127.0.0.1"), 0});
  const auto checked = check_port("shop", {"127.0.0.1", bound.local_endpoint().port()}, {});
  REQUIRE_FALSE(checked.has_value());
  CHECK(contains(checked.error().message, "though nothing visible listens there"));
  CHECK(contains(checked.error().hint, "give shop another port"));
  // Only who takes all addresses can take fewer.
  CHECK_FALSE(contains(checked.error().hint, "127.0.0.1"));
  const auto all = check_port("shop", {"0.0.0.0", bound.local_endpoint().port()}, {});
  REQUIRE_FALSE(all.has_value());
  CHECK(contains(all.error().hint, "a host of 127.0.0.1 instead"));
}

TEST_CASE("what the app's own tree holds counts as free", "[run][port]") {
  std::optional<Listens> mine(std::in_place, "127.0.0.1");
  const ListenAddress address{"127.0.0.1", mine->port()};
  const Heir own;
  mine.reset();  // only the heir has it now
  CHECK_FALSE(check_port("shop", address, {}).has_value());
  CHECK(check_port("shop", address, own.tree()).has_value());
  const Heir stranger;
  CHECK_FALSE(check_port("shop", address, stranger.tree()).has_value());
}

TEST_CASE("an address that the machine hasn't is refused", "[run][port]") {
  const auto checked = check_port("shop", {"203.0.113.7", free_port()}, {});
  REQUIRE_FALSE(checked.has_value());
  CHECK(contains(checked.error().message, "Cannot assign requested address"));
  CHECK(contains(checked.error().hint, "host"));
}

TEST_CASE("after a stop, who still listens is named", "[run][port]") {
  std::optional<Listens> stranger(std::in_place, "0.0.0.0");
  const ListenAddress address{"127.0.0.1", stranger->port()};
  const auto released = check_port_released("shop", address);
  REQUIRE_FALSE(released.has_value());
  CHECK(contains(released.error().message, "pid " + std::to_string(::getpid())));
  stranger.reset();
  CHECK(check_port_released("shop", address).has_value());
}
