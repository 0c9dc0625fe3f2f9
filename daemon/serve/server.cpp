#include "daemon/serve/server.hpp"

#include <cerrno>
#include <sys/socket.h>

#include <spdlog/spdlog.h>

#include "daemon/serve/replies.hpp"
#include "daemon/serve/session.hpp"

namespace dixis {

namespace asio = boost::asio;

namespace {

constexpr auto kQuiet = asio::as_tuple(asio::use_awaitable);
// Clients taken at one go before others on the loop have their turn.
constexpr int kAcceptBurst = 32;
constexpr auto kAcceptPause = std::chrono::milliseconds(100);

}  // namespace

/// Counts a connection for as long as its session lives.
class Server::Admission {
 public:
  Admission(Server& server, const std::shared_ptr<Connection>& connection, uid_t uid)
      : server_(server), key_(connection.get()), uid_(uid) {
    server_.connections_.emplace(key_, std::pair(uid, connection));
    ++server_.by_uid_[uid];
  }
  ~Admission() {
    server_.connections_.erase(key_);
    if (--server_.by_uid_[uid_] == 0) server_.by_uid_.erase(uid_);
    server_.connection_ended_.notify_all();
  }
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

 private:
  Server& server_;
  Connection* key_;
  uid_t uid_;
};

Server::Server(asio::io_context& loop, Supervisor& supervisor, UniqueFd listener,
               const Limits& limits)
    : loop_(loop),
      supervisor_(supervisor),
      limits_(limits),
      daemon_uid_(::geteuid()),
      listener_(loop, listener.release()) {
  listener_.non_blocking(true);
}

void Server::start() {
  accepting_ = true;
  asio::co_spawn(loop_, accept_loop(), asio::detached);
}

Task<void> Server::accept_loop() {
  bool troubled = false;
  while (!closing_) {
    const auto [error] = co_await listener_.async_wait(listener_.wait_read, kQuiet);
    if (error || closing_) break;
    const int failure = accept_burst();
    const bool trouble = failure != 0 && failure != EAGAIN && failure != EWOULDBLOCK;
    if (trouble && !troubled) {
      spdlog::error("{}; trying on", errno_error("cannot accept a client", failure).message);
    }
    troubled = trouble;
    if (!trouble) continue;
    // Without descriptors or memory the socket stays readable: don't spin on it.
    asio::steady_timer pause(loop_, kAcceptPause);
    co_await pause.async_wait(kQuiet);
  }
  accepting_ = false;
  connection_ended_.notify_all();
}

// Takes the clients that wait, a limited number of them; gives the errno that ended it, or 0.
int Server::accept_burst() {
  for (int taken = 0; taken < kAcceptBurst; ++taken) {
    UniqueFd client(
        ::accept4(listener_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (client) {
      admit(std::move(client));
    } else if (const int error = errno; error != ECONNABORTED && error != EINTR) {
      return error;
    }
  }
  return 0;
}

bool Server::has_room_for(uid_t uid) const {
  const auto found = by_uid_.find(uid);
  const std::size_t of_uid = found == by_uid_.end() ? 0 : found->second;
  std::size_t of_owners = 0;
  for (const auto& [id, count] : by_uid_) {
    if (is_owner(id, daemon_uid_)) of_owners += count;
  }
  if (is_owner(uid, daemon_uid_)) return of_owners < limits_.connections_of_owners;
  return of_uid < limits_.connections_per_uid &&
         connections_.size() - of_owners < limits_.connections_of_others;
}

void Server::admit(UniqueFd client) {
  const auto peer = peer_of(client.get());
  if (!peer) {
    spdlog::error("a client was turned away: {}", peer.error().message);
    return;
  }
  if (!has_room_for(peer->uid)) {
    const auto frame =
        varlink::frame(limit_exceeded("too many connections of uid " + std::to_string(peer->uid)));
    // It may not get through; there is no room to wait until it does.
    static_cast<void>(
        ::send(client.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
    return;
  }
  auto connection = std::make_shared<Connection>(
      Connection::Socket(loop_, asio::local::stream_protocol(), client.release()), limits_);
  asio::co_spawn(loop_, serve(std::move(connection), *peer), asio::detached);
}

void Server::answer(UniqueFd client, const varlink::Reply& reply) {
  const auto frame = varlink::frame(reply);
  // One that doesn't take a few bytes has stopped reading: it is told nothing.
  if (::send(client.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    admit(std::move(client));
  }
}

Task<void> Server::serve(std::shared_ptr<Connection> connection, Peer peer) {
  const Admission admission(*this, connection, peer.uid);
  Role role = Role::owner;
  // Root gets in even while name look-ups hang.
  if (!is_owner(peer.uid, daemon_uid_)) {
    const AccessIds ids = co_await access_.resolve(supervisor_.access());
    role = role_of(peer, ids, daemon_uid_);
  }
  if (closing_) co_return;
  if (role == Role::none) {
    co_await connection->refuse(permission_denied());
  } else {
    co_await run_session(connection, std::move(peer), role, supervisor_);
  }
}

Task<void> Server::close() {
  closing_ = true;
  listener_.close();
  for (const auto& entry : connections_) {
    if (const auto connection = entry.second.second.lock()) connection->end();
  }
  const auto until = std::chrono::steady_clock::now() + 2 * limits_.linger;
  while ((!connections_.empty() || accepting_) && std::chrono::steady_clock::now() < until) {
    co_await connection_ended_.wait(limits_.linger);
  }
}

}  // namespace dixis
