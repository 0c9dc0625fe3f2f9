#include "daemon/sys/listener.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "daemon/sys/reaper.hpp"
#include "support.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

struct Listening {
  UniqueFd fd;
  std::uint16_t port = 0;
  std::uint64_t inode = 0;
};

/// Listens on a free port of an IPv6 address (or an IPv4-mapped one).
Listening listen_v6(const char* address, int v6only = 0) {
  Listening result;
  result.fd.reset(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::setsockopt(result.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only) == 0);
  sockaddr_in6 name{};
  socklen_t size = sizeof name;
  name.sin6_family = AF_INET6;
  REQUIRE(::inet_pton(AF_INET6, address, &name.sin6_addr) == 1);
  REQUIRE(::bind(result.fd.get(), reinterpret_cast<sockaddr*>(&name), size) == 0);
  REQUIRE(::listen(result.fd.get(), 8) == 0);
  REQUIRE(::getsockname(result.fd.get(), reinterpret_cast<sockaddr*>(&name), &size) == 0);
  struct stat status {};
  REQUIRE(::fstat(result.fd.get(), &status) == 0);
  result.port = ntohs(name.sin6_port);
  result.inode = status.st_ino;
  return result;
}

Listening listen_v4(const char* address) {
  Listening result;
  result.fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  socklen_t size = sizeof name;
  name.sin_family = AF_INET;
  REQUIRE(::inet_pton(AF_INET, address, &name.sin_addr) == 1);
  REQUIRE(::bind(result.fd.get(), reinterpret_cast<sockaddr*>(&name), size) == 0);
  REQUIRE(::listen(result.fd.get(), 8) == 0);
  REQUIRE(::getsockname(result.fd.get(), reinterpret_cast<sockaddr*>(&name), &size) == 0);
  struct stat status {};
  REQUIRE(::fstat(result.fd.get(), &status) == 0);
  result.port = ntohs(name.sin_port);
  result.inode = status.st_ino;
  return result;
}

std::optional<Listener> find(const Listening& wanted) {
  const auto all = tcp_listeners().value();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Listener& l) { return l.inode == wanted.inode; });
  return found == all.end() ? std::nullopt : std::optional(*found);
}

void check_found(const Listening& listening, const std::string& address, bool ipv6) {
  const auto found = find(listening);
  REQUIRE(found);
  CHECK(found->address == address);
  CHECK(found->port == listening.port);
  CHECK(found->ipv6 == ipv6);
  CHECK(found->uid == ::geteuid());
  CHECK(socket_holders(found->inode, {1, ::getppid(), ::getpid()}) ==
        std::vector<pid_t>{::getpid()});
}

bool has_ipv6() {
  return try_bind("::1", 0) == 0;
}

}  // namespace

TEST_CASE("listeners and their holders are found", "[sys][listener]") {
  check_found(listen_v4("127.0.0.1"), "127.0.0.1", false);
  check_found(listen_v4("0.0.0.0"), "0.0.0.0", false);
  if (!has_ipv6()) return;
  check_found(listen_v6("::1"), "::1", true);
  check_found(listen_v6("::"), "::", true);
  check_found(listen_v6("::ffff:127.0.0.1"), "127.0.0.1", true);
}

TEST_CASE("a closed listener and a connection are no listeners", "[sys][listener]") {
  auto listening = listen_v4("127.0.0.1");
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(listening.port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
  struct stat status {};
  REQUIRE(::fstat(client.get(), &status) == 0);
  CHECK_FALSE(find({UniqueFd(), 0, status.st_ino}));
  listening.fd.reset();
  CHECK_FALSE(find(listening));
}

TEST_CASE("hundreds of listeners are all told", "[sys][listener]") {
  std::vector<Listening> many;
  for (int i = 0; i < 500; ++i) many.push_back(listen_v4("127.0.0.1"));
  const auto all = tcp_listeners().value();
  for (const auto& one : many) {
    CHECK(std::count_if(all.begin(), all.end(),
                        [&](const auto& l) { return l.inode == one.inode; }) == 1);
  }
}

TEST_CASE("a listener that a child inherited has the child as a holder", "[sys][listener]") {
  asio::io_context io;
  Reaper reaper(io);
  const auto listening = listen_v4("127.0.0.1");
  auto request = shell("exec sleep 1000", listening.fd);  // as its stdout
  auto child = spawn_gated(request).value();
  reaper.hold(child.process.pid);
  REQUIRE_FALSE(await_on(io, open_gate(child)));
  CHECK(socket_holders(listening.inode, {child.process.pid, 1}) ==
        std::vector<pid_t>{child.process.pid});
  send_signal(child.process, 9);
  await_on(io, reaper.wait_exit(child.process));
  CHECK(socket_holders(listening.inode, {child.process.pid}).empty());
  reaper.release(child.process.pid);
}

TEST_CASE("what a program binds that was told a host", "[sys][listener]") {
  using Addresses = std::vector<std::string>;
  CHECK(bind_candidates("") == Addresses{"::", "0.0.0.0"});
  CHECK(bind_candidates("::") == Addresses{"::", "0.0.0.0"});
  CHECK(bind_candidates("localhost") == Addresses{"127.0.0.1", "::1"});
  CHECK(bind_candidates("0.0.0.0") == Addresses{"0.0.0.0"});
  CHECK(bind_candidates("127.0.0.1") == Addresses{"127.0.0.1"});
  CHECK(bind_candidates("::1") == Addresses{"::1"});
  CHECK(bind_candidates("shop.example").empty());
}

TEST_CASE("trying to bind tells what the app would meet", "[sys][listener]") {
  CHECK(try_bind("127.0.0.1", 0) == 0);
  auto taken = listen_v4("127.0.0.1");
  CHECK(try_bind("127.0.0.1", taken.port) == EADDRINUSE);
  CHECK(try_bind("0.0.0.0", taken.port) == EADDRINUSE);
  CHECK(try_bind("127.0.0.2", taken.port) == 0);
  CHECK(try_bind("192.0.2.1", 0) == EADDRNOTAVAIL);
  CHECK(try_bind("shop.example", 0) == EINVAL);
  if (has_ipv6()) {
    CHECK(try_bind("::", taken.port) == EADDRINUSE);  // both families, as Node binds it
    CHECK(try_bind("::1", taken.port) == 0);
    const auto both = listen_v6("::");
    CHECK(try_bind("127.0.0.1", both.port) == EADDRINUSE);
  }
  const auto port = taken.port;
  taken.fd.reset();
  CHECK(try_bind("127.0.0.1", port) == 0);
  CHECK(try_bind("127.0.0.1", port) == 0);  // trying leaves nothing behind
}

TEST_CASE("whether :: takes IPv4, too, is told", "[sys][listener]") {
  for (const int v6only : {0, 1}) {
    const auto there = listen_v6("::", v6only);
    const auto all = tcp_listeners().value();
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const Listener& one) { return one.inode == there.inode; });
    REQUIRE(found != all.end());
    CHECK(found->v6only == (v6only == 1));
  }
}
