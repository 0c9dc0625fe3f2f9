#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio.hpp>

#include "common/varlink.hpp"
#include "daemon/run/notifier.hpp"
#include "daemon/serve/limits.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

/// One client's socket: messages in, frames out, within the limits. It knows nothing of calls.
/// Lives on the loop's thread; its own coroutines keep it alive until the socket is closed.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;

  Connection(Socket socket, const Limits& limits);

  /// Begins to read. `on_abort` is called once when the call that is under way has lost its
  /// purpose: the client is gone, a limit was exceeded, or the daemon ends.
  void start(std::function<void()> on_abort);

  /// The next message; nullopt: there will be none.
  Task<std::optional<std::string>> next_message();

  /// Queues a frame; it goes out as the client reads.
  void send(std::string frame);

  /// What was queued and not yet taken by the kernel.
  std::size_t unread() const { return unread_; }
  /// Waits until at most `bytes` are unread, but no longer than `patience`. False: they are not,
  /// or the client is gone.
  Task<bool> wait_unread(std::size_t bytes, std::chrono::milliseconds patience);

  /// No call has a purpose any more: the client is gone, or the connection is ending.
  bool aborted() const { return aborted_; }
  const Limits& limits() const { return limits_; }

  /// A copy of its socket, for another image of this program; invalid if it is closed.
  UniqueFd copy();

  /// Drops what has been received and not begun, and says so to the client. finish() is next.
  void fail(const varlink::Reply& error);
  /// Ends it without a word, for the daemon's own end.
  void end();

  /// Waits for the client's first byte, answers `error` without reading it, and ends.
  Task<void> refuse(varlink::Reply error);

  /// Sends what is queued, waits a little for a client that is still writing, and closes.
  Task<void> finish();

 private:
  static Task<void> read_loop(std::shared_ptr<Connection> self);
  static Task<void> write_loop(std::shared_ptr<Connection> self);
  static Task<void> watch_hangup(std::shared_ptr<Connection> self);
  static Task<void> watch_message_time(std::shared_ptr<Connection> self);

  bool receive();
  void take(std::string_view bytes);
  void flush();
  void abort();
  void gone();

  Socket socket_;
  Limits limits_;
  std::function<void()> on_abort_;

  varlink::FrameReader reader_;
  std::deque<std::string> messages_;
  std::size_t queued_ = 0;
  bool touched_ = false;     ///< at least one byte has arrived
  bool discarding_ = false;  ///< what arrives is thrown away
  bool ended_ = false;       ///< nothing more will arrive
  bool aborted_ = false;
  bool gone_ = false;
  Notifier input_changed_;
  boost::asio::steady_timer message_timer_;
  bool message_timed_ = false;

  std::deque<std::string> frames_;
  std::size_t sent_of_first_ = 0;
  std::size_t unread_ = 0;
  bool writing_ = false;
  Notifier output_changed_;
};

}  // namespace dixis
