#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio.hpp>

#include "common/varlink.hpp"
#include "daemon/run/notifier.hpp"
#include "daemon/run/supervisor.hpp"
#include "daemon/serve/connection.hpp"
#include "daemon/serve/peer.hpp"

namespace dixis {

/// The replies of one call before its last one. Cheap to copy.
class ReplyStream {
 public:
  explicit ReplyStream(std::shared_ptr<Connection> connection)
      : connection_(std::move(connection)), last_(std::make_shared<Clock::time_point>()) {}

  /// Sends a reply that more will follow; pauses while the client reads too slowly. Throws
  /// operation_aborted once nobody listens any more.
  Task<void> send(boost::json::object parameters);

  /// Waits for a change, and sends a heartbeat when one is due.
  Task<void> wait(Notifier& changed);

  /// Waits until what was sent has been taken, so that a reply is made only when there is somebody
  /// to read it. Throws operation_aborted once nobody listens any more.
  Task<void> taken();
  /// Sends a frame of a reply that more will follow, made elsewhere.
  void send_frame(std::string frame);
  /// Sends a heartbeat if one is due.
  void keep_alive();
  /// When one is due.
  std::chrono::steady_clock::time_point next_heartbeat() const;

  /// Throws operation_aborted once nobody listens any more.
  void check() const;

  /// The client's socket, for the image that will answer in this one's place.
  UniqueFd copy_socket() const { return connection_->copy(); }

 private:
  using Clock = std::chrono::steady_clock;
  std::shared_ptr<Connection> connection_;
  std::shared_ptr<Clock::time_point> last_;  ///< when a reply was sent
};

/// What a handler gets. The references outlive the handler.
struct CallContext {
  Supervisor& supervisor;
  const Peer& peer;
  Role role;
  const varlink::Call& call;
  ReplyStream stream;

  /// Who asked for `verb`, for records; `operation`: the id that the client has chosen for it.
  Caller caller(std::string verb, std::optional<std::string> operation = {}) const;
};

/// Answers one call: sends what comes before through the stream and returns the last reply.
using Handler = Task<varlink::Reply> (*)(CallContext);

/// Runs `task` to its end even if the call that waits for it loses its client: the supervisor's
/// work is never torn in the middle.
template <class T>
Task<T> shielded(Task<T> task) {
  namespace asio = boost::asio;
  const auto executor = co_await asio::this_coro::executor;
  co_return co_await asio::co_spawn(
      executor, std::move(task),
      asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
}

}  // namespace dixis
