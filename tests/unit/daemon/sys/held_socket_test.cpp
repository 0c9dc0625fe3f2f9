#include "daemon/sys/held_socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>

#include <catch2/catch.hpp>

#include "daemon/sys/port_balancer.hpp"
#include "support.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

std::uint16_t free_port() {
  const auto socket = bind_socket({"127.0.0.1", 0, ""}).value();
  sockaddr_in name{};
  socklen_t size = sizeof name;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&name), &size);
  return ntohs(name.sin_port);
}

/// A connection, or none.
UniqueFd connect_to(std::uint16_t port) {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return UniqueFd();
  }
  return socket;
}

int accept_all(int socket) {
  ::fcntl(socket, F_SETFL, O_NONBLOCK);
  int count = 0;
  for (int fd = 0; (fd = ::accept(socket, nullptr, nullptr)) >= 0; ++count) ::close(fd);
  return count;
}

}  // namespace

TEST_CASE("a held socket refuses until it listens, and again when it is shut", "[held]") {
  const SocketAddress address{"127.0.0.1", free_port(), ""};
  const auto socket = bind_socket(address).value();
  CHECK(connect_to(address.port).get() < 0);
  REQUIRE(start_listening(socket.get()).has_value());
  CHECK(connect_to(address.port).get() >= 0);
  stop_listening(socket.get());
  stop_listening(socket.get());  // the second time must leave no mark on what comes later
  CHECK(connect_to(address.port).get() < 0);
  REQUIRE(start_listening(socket.get()).has_value());
  const auto client = connect_to(address.port);
  REQUIRE(client.get() >= 0);
  const UniqueFd server(::accept(socket.get(), nullptr, nullptr));
  REQUIRE(::send(client.get(), "x", 1, 0) == 1);
  char got = 0;
  CHECK(::recv(server.get(), &got, 1, 0) == 1);
}

TEST_CASE("the other end of a connection has an inode once it is accepted", "[held]") {
  const SocketAddress address{"127.0.0.1", free_port(), ""};
  const auto socket = bind_socket(address).value();
  REQUIRE(start_listening(socket.get()).has_value());
  const auto client = connect_to(address.port);
  CHECK(accepted_inode(client.get()) == 0);
  const UniqueFd server(::accept(socket.get(), nullptr, nullptr));
  CHECK(accepted_inode(client.get()) == socket_inode(server.get()));
}

TEST_CASE("a socket file that nobody listens on is replaced, another file is not", "[held]") {
  const TemporaryDirectory directory;
  const auto path = (directory / "s").string();
  { const auto gone = bind_socket({"", 0, path}).value(); }
  CHECK(bind_socket({"", 0, path}).has_value());
  const auto file = directory / "file";
  std::ofstream(file) << "x";
  CHECK_FALSE(bind_socket({"", 0, file.string()}).has_value());
}

TEST_CASE("the listening sockets of a process are found by their address", "[held]") {
  const SocketAddress address{"127.0.0.1", free_port(), ""};
  const auto socket = bind_socket(address).value();
  CHECK(listening_sockets_of(::getpid(), address).empty());
  REQUIRE(start_listening(socket.get()).has_value());
  const auto found = listening_sockets_of(::getpid(), address);
  REQUIRE(found.size() == 1);
  CHECK(socket_inode(found.front().get()) == socket_inode(socket.get()));
  CHECK(listening_sockets_of(::getpid(), {"127.0.0.1", free_port(), ""}).empty());
}

TEST_CASE("connections go to the live sockets in turn, and what waits moves on",
          "[held][balancer]") {
  const SocketAddress address{"127.0.0.1", free_port(), ""};
  std::vector<UniqueFd> sockets;
  for (int i = 0; i < 3; ++i) {
    sockets.push_back(bind_socket(address).value());
    REQUIRE(start_listening(sockets.back().get()).has_value());
  }
  auto balancer = PortBalancer::attach(sockets[0].get());
  if (!balancer) {
    WARN("not allowed here: " << balancer.error().message);
    return;
  }
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    REQUIRE(balancer->set_socket(slot, sockets[slot].get()).has_value());
    REQUIRE(balancer->set_socket(slot, sockets[slot].get()).has_value());
  }
  std::vector<UniqueFd> clients;
  const auto connect = [&](int count) {
    for (int i = 0; i < count; ++i) clients.push_back(connect_to(address.port));
  };
  const auto counts = [&] {
    std::vector<int> out;
    for (const auto& socket : sockets) out.push_back(accept_all(socket.get()));
    return out;
  };
  REQUIRE(balancer->set_live({0, 2}).has_value());
  connect(10);
  CHECK(counts() == std::vector<int>{5, 0, 5});
  REQUIRE(balancer->set_live({0, 1, 2}).has_value());
  connect(9);
  CHECK(counts() == std::vector<int>{3, 3, 3});

  REQUIRE(balancer->set_live({1}).has_value());
  connect(4);
  REQUIRE(balancer->set_live({0, 2}).has_value());
  stop_listening(sockets[1].get());
  REQUIRE(start_listening(sockets[1].get()).has_value());
  CHECK(counts() == std::vector<int>{2, 0, 2});
}
