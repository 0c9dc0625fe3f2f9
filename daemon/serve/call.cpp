#include "daemon/serve/call.hpp"

namespace dixis {

namespace asio = boost::asio;

void ReplyStream::check() const {
  if (connection_->aborted()) throw boost::system::system_error(asio::error::operation_aborted);
}

Task<void> ReplyStream::send(boost::json::object parameters) {
  constexpr auto kPatience = std::chrono::hours(1);
  const std::size_t room = connection_->limits().stream_unread_bytes;
  while (connection_->unread() > room) {
    check();
    co_await connection_->wait_unread(room, kPatience);
  }
  check();
  connection_->send(varlink::frame(varlink::Reply{std::nullopt, std::move(parameters), true}));
  *last_ = Clock::now();
}

Task<void> ReplyStream::taken() {
  constexpr auto kPatience = std::chrono::hours(1);
  check();
  while (connection_->unread() > 0) {
    co_await connection_->wait_unread(0, kPatience);
    check();
  }
}

void ReplyStream::send_frame(std::string frame) {
  check();
  connection_->send(std::move(frame));
  *last_ = Clock::now();
}

std::chrono::steady_clock::time_point ReplyStream::next_heartbeat() const {
  return *last_ + std::chrono::seconds(varlink::kHeartbeatSeconds);
}

void ReplyStream::keep_alive() {
  if (Clock::now() < next_heartbeat()) return;
  send_frame(varlink::frame(varlink::Reply{std::nullopt, {{"heartbeat", true}}, true}));
}

Task<void> ReplyStream::wait(Notifier& changed) {
  check();
  const auto due = *last_ + std::chrono::seconds(varlink::kHeartbeatSeconds);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - Clock::now());
  if (left.count() > 0 && co_await changed.wait(left)) co_return;
  boost::json::object heartbeat;
  heartbeat["heartbeat"] = true;
  co_await send(std::move(heartbeat));
}

Caller CallContext::caller(std::string verb, std::optional<std::string> operation) const {
  return {peer.pid, static_cast<std::int64_t>(peer.uid), std::move(verb), std::move(operation)};
}

}  // namespace dixis
