#include "daemon/serve/connection.hpp"

#include <array>
#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "daemon/serve/replies.hpp"
#include "daemon/sys/fd.hpp"

using namespace dixis;
namespace asio = boost::asio;

namespace {

/// A connection and the client's end of it.
struct Wire {
  asio::io_context loop{1};
  std::shared_ptr<Connection> connection{};
  Connection::Socket client{loop};
  int aborts = 0;

  explicit Wire(const Limits& limits = {}) {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    const asio::local::stream_protocol protocol;
    connection = std::make_shared<Connection>(Connection::Socket(loop, protocol, ends[0]), limits);
    client.assign(protocol, ends[1]);
    connection->start([this] { ++aborts; });
  }

  void write(std::string_view bytes) { asio::write(client, asio::buffer(bytes)); }

  template <class T>
  T run(Task<T> task) {
    auto done = asio::co_spawn(loop, std::move(task), asio::use_future);
    loop.restart();
    while (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) loop.run_one();
    return done.get();
  }
  void run(Task<void> task) {
    auto done = asio::co_spawn(loop, std::move(task), asio::use_future);
    loop.restart();
    while (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) loop.run_one();
    done.get();
  }

  /// What the client gets until the end of the stream.
  std::string rest() {
    std::string got;
    boost::system::error_code error;
    asio::read(client, asio::dynamic_buffer(got), error);
    return got;
  }
};

std::string limit_frame(const std::string& part) {
  return R"({"error":"gr.dixis.Supervisor.LimitExceeded","parameters":{"message":")" + part;
}

}  // namespace

TEST_CASE("connection: messages come one by one, and then there are none") {
  Wire wire;
  wire.write(std::string_view("one\0two\0", 8));
  wire.client.shutdown(Connection::Socket::shutdown_send);
  CHECK(wire.run(wire.connection->next_message()) == "one");
  CHECK(wire.run(wire.connection->next_message()) == "two");
  CHECK_FALSE(wire.run(wire.connection->next_message()));
  CHECK(wire.aborts == 0);
  wire.connection->send("late");
  wire.run(wire.connection->finish());
  CHECK(wire.rest() == "late");
}

TEST_CASE("connection: a client that is gone aborts the call that is under way") {
  Wire wire;
  wire.write(std::string_view("one\0", 4));
  wire.client.close();
  CHECK(wire.run(wire.connection->next_message()) == "one");
  CHECK_FALSE(wire.run(wire.connection->next_message()));
  wire.run(wire.connection->finish());
  CHECK(wire.aborts == 1);
  CHECK(wire.connection->aborted());
}

TEST_CASE("connection: a message that is too long ends it") {
  Limits limits;
  limits.message_bytes = 8;
  Wire wire(limits);
  wire.write("123456789");
  CHECK_FALSE(wire.run(wire.connection->next_message()));
  CHECK(wire.aborts == 1);
  wire.client.shutdown(Connection::Socket::shutdown_send);
  wire.run(wire.connection->finish());
  CHECK(wire.rest().rfind(limit_frame("message is longer"), 0) == 0);
}

TEST_CASE("connection: a message that is never finished ends it") {
  Limits limits;
  limits.message_time = std::chrono::milliseconds(20);
  Wire wire(limits);
  wire.write(std::string_view("one\0tw", 6));
  CHECK(wire.run(wire.connection->next_message()) == "one");
  CHECK_FALSE(wire.run(wire.connection->next_message()));
  wire.client.shutdown(Connection::Socket::shutdown_send);
  wire.run(wire.connection->finish());
  CHECK(wire.rest().rfind(limit_frame("a message was not finished within 20 ms"), 0) == 0);
}

TEST_CASE("connection: what the client doesn't read is counted, and what it reads is not") {
  Wire wire;
  wire.connection->send(std::string(std::size_t{8} << 20U, 'x'));
  CHECK(wire.connection->unread() > 0);
  CHECK_FALSE(wire.run(wire.connection->wait_unread(0, std::chrono::milliseconds(1))));
  std::size_t read = 0;
  auto reader = [](Wire& w, std::size_t& bytes) -> Task<void> {
    std::array<char, 65536> buffer{};
    while (bytes < std::size_t{8} << 20U) {
      bytes += co_await w.client.async_read_some(asio::buffer(buffer), asio::use_awaitable);
    }
  };
  asio::co_spawn(wire.loop, reader(wire, read), asio::detached);
  CHECK(wire.run(wire.connection->wait_unread(0, std::chrono::seconds(30))));
  CHECK(wire.connection->unread() == 0);
}

TEST_CASE("connection: an error comes after the frame that has begun, before the others") {
  Wire wire;
  const std::string first(std::size_t{4} << 20U, 'x');
  wire.connection->send(first);
  wire.connection->send("second");
  wire.connection->fail(limit_exceeded("enough"));
  std::string got;
  auto reader = [](Wire& w, std::string& all) -> Task<void> {
    boost::system::error_code error;
    co_await asio::async_read(w.client, asio::dynamic_buffer(all),
                              asio::redirect_error(asio::use_awaitable, error));
    w.client.close();
  };
  asio::co_spawn(wire.loop, reader(wire, got), asio::detached);
  wire.run(wire.connection->finish());
  while (wire.loop.run_one() > 0) {
  }
  REQUIRE(got.size() > first.size());
  CHECK(got.substr(0, first.size()) == first);
  CHECK(got.substr(first.size()).rfind(limit_frame("enough"), 0) == 0);
}

TEST_CASE("connection: a refused client gets the error for its first byte") {
  Wire wire;
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const asio::local::stream_protocol protocol;
  auto refused =
      std::make_shared<Connection>(Connection::Socket(wire.loop, protocol, ends[0]), Limits{});
  wire.client.close();
  wire.client.assign(protocol, ends[1]);
  wire.write("x");
  wire.client.shutdown(Connection::Socket::shutdown_send);
  wire.run(refused->refuse(permission_denied()));
  CHECK(wire.rest() == std::string(R"({"error":"org.varlink.service.PermissionDenied",)"
                                   R"("parameters":{}})") +
                           '\0');
}
