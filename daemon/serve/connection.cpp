#include "daemon/serve/connection.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <utility>

#include "daemon/serve/replies.hpp"

namespace dixis {

namespace asio = boost::asio;

namespace {

constexpr auto kQuiet = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kReadChunk = std::size_t{64} << 10U;

std::string_view text(const std::array<char, kReadChunk>& buffer, ssize_t size) {
  return {buffer.data(), static_cast<std::size_t>(size)};
}

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/// Whether the other end is closed, not merely shut down for writing.
bool hung_up(int socket) {
  ::pollfd state{socket, 0, 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

Connection::Connection(Socket socket, const Limits& limits)
    : socket_(std::move(socket)),
      limits_(limits),
      reader_(limits.message_bytes),
      message_timer_(socket_.get_executor()) {}

void Connection::start(std::function<void()> on_abort) {
  on_abort_ = std::move(on_abort);
  const auto executor = socket_.get_executor();
  asio::co_spawn(executor, read_loop(shared_from_this()), asio::detached);
  asio::co_spawn(executor, watch_hangup(shared_from_this()), asio::detached);
}

Task<void> Connection::read_loop(std::shared_ptr<Connection> self) {
  while (!self->ended_) {
    if (!self->discarding_ && self->queued_ >= self->limits_.queued_bytes) {
      co_await self->input_changed_.wait();
      continue;
    }
    const auto [error] = co_await self->socket_.async_wait(Socket::wait_read, kQuiet);
    if (error || !self->receive()) self->ended_ = true;
    self->input_changed_.notify_all();
  }
  self->message_timer_.cancel();
}

// Reads once. False: nothing more will come.
bool Connection::receive() {
  std::array<char, kReadChunk> buffer;
  const auto size = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0) return would_block(errno);
  if (size == 0) return false;
  touched_ = true;
  if (!discarding_) take(text(buffer, size));
  return true;
}

void Connection::take(std::string_view bytes) {
  if (const auto fed = reader_.feed(bytes); !fed) {
    fail(limit_exceeded(fed.error().message));
    return;
  }
  bool whole = false;
  while (auto message = reader_.next()) {
    queued_ += message->size() + 1;
    messages_.push_back(std::move(*message));
    whole = true;
  }
  // The clock runs from a message's first byte; its later bytes don't wind it up again.
  if (message_timed_ && (whole || !reader_.partial())) {
    message_timed_ = false;
    message_timer_.cancel();
  }
  if (reader_.partial() && !message_timed_) {
    message_timed_ = true;
    message_timer_.expires_after(limits_.message_time);
    asio::co_spawn(socket_.get_executor(), watch_message_time(shared_from_this()), asio::detached);
  }
}

Task<void> Connection::watch_message_time(std::shared_ptr<Connection> self) {
  const auto [error] = co_await self->message_timer_.async_wait(kQuiet);
  if (error || self->ended_) co_return;
  // While the daemon itself doesn't read, the client isn't late.
  if (self->queued_ >= self->limits_.queued_bytes) {
    self->message_timed_ = false;
    co_return;
  }
  self->fail(limit_exceeded("a message was not finished within " +
                            std::to_string(self->limits_.message_time.count()) + " ms"));
}

Task<void> Connection::watch_hangup(std::shared_ptr<Connection> self) {
  // Reading can't tell a client that has only finished asking from one that is gone; this can.
  while (self->socket_.is_open() && !hung_up(self->socket_.native_handle())) {
    const auto [error] = co_await self->socket_.async_wait(Socket::wait_error, kQuiet);
    if (error) co_return;
  }
  self->gone();
}

Task<std::optional<std::string>> Connection::next_message() {
  while (messages_.empty()) {
    if (ended_ || discarding_) co_return std::nullopt;
    co_await input_changed_.wait();
  }
  std::string message = std::move(messages_.front());
  messages_.pop_front();
  queued_ -= message.size() + 1;
  input_changed_.notify_all();
  co_return message;
}

void Connection::send(std::string frame) {
  if (gone_ || !socket_.is_open()) return;
  unread_ += frame.size();
  frames_.push_back(std::move(frame));
  if (writing_) return;
  flush();
  if (frames_.empty()) return;
  writing_ = true;
  asio::co_spawn(socket_.get_executor(), write_loop(shared_from_this()), asio::detached);
}

void Connection::flush() {
  while (!frames_.empty()) {
    const auto& frame = frames_.front();
    const auto size = ::send(socket_.native_handle(), frame.data() + sent_of_first_,
                             frame.size() - sent_of_first_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0) {
      if (!would_block(errno)) gone();
      return;
    }
    sent_of_first_ += static_cast<std::size_t>(size);
    unread_ -= static_cast<std::size_t>(size);
    if (sent_of_first_ < frame.size()) return;
    frames_.pop_front();
    sent_of_first_ = 0;
  }
}

Task<void> Connection::write_loop(std::shared_ptr<Connection> self) {
  while (!self->frames_.empty()) {
    const auto [error] = co_await self->socket_.async_wait(Socket::wait_write, kQuiet);
    if (error) break;
    self->flush();
    self->output_changed_.notify_all();
  }
  self->writing_ = false;
}

Task<bool> Connection::wait_unread(std::size_t bytes, std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (unread_ > bytes && !gone_) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= std::chrono::milliseconds(0)) co_return false;
    co_await output_changed_.wait(std::chrono::ceil<std::chrono::milliseconds>(left));
  }
  co_return !gone_;
}

void Connection::abort() {
  if (std::exchange(aborted_, true)) return;
  if (on_abort_) on_abort_();
  input_changed_.notify_all();
  output_changed_.notify_all();
}

void Connection::gone() {
  gone_ = true;
  frames_.clear();
  sent_of_first_ = 0;
  unread_ = 0;
  abort();
}

void Connection::end() {
  discarding_ = true;
  messages_.clear();
  queued_ = 0;
  abort();
}

UniqueFd Connection::copy() {
  if (!socket_.is_open()) return {};
  return UniqueFd(::fcntl(socket_.native_handle(), F_DUPFD_CLOEXEC, 0));
}

void Connection::fail(const varlink::Reply& error) {
  if (discarding_) return;
  // A frame that has begun must be finished; what comes after it would only delay the error.
  if (!frames_.empty()) {
    const std::size_t keep = sent_of_first_ > 0 ? 1 : 0;
    while (frames_.size() > keep) {
      unread_ -= frames_.back().size();
      frames_.pop_back();
    }
  }
  send(varlink::frame(error));
  end();
}

Task<void> Connection::refuse(varlink::Reply error) {
  discarding_ = true;
  start({});
  const auto until = std::chrono::steady_clock::now() + limits_.message_time;
  while (!touched_ && !ended_ && std::chrono::steady_clock::now() < until) {
    co_await input_changed_.wait(limits_.message_time);
  }
  if (touched_) send(varlink::frame(error));
  co_await finish();
}

Task<void> Connection::finish() {
  discarding_ = true;
  const auto patience = aborted_ ? limits_.linger : limits_.unread_time;
  co_await wait_unread(0, patience);
  boost::system::error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  // Closing with bytes unread would give a client that is still writing a reset, not the error.
  const auto until = std::chrono::steady_clock::now() + limits_.linger;
  while (!ended_ && !gone_ && std::chrono::steady_clock::now() < until) {
    co_await input_changed_.wait(limits_.linger);
  }
  ended_ = true;
  socket_.close(ignored);
  message_timer_.cancel();
  input_changed_.notify_all();
}

}  // namespace dixis
