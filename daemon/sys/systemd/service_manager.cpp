#include "daemon/sys/systemd/service_manager.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "daemon/sys/watched_fd.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

namespace {

namespace asio = boost::asio;
using Datagrams = asio::local::datagram_protocol;

std::string take_variable(const char* name) {
  const char* const value = std::getenv(name);
  std::string out = value == nullptr ? "" : value;
  ::unsetenv(name);
  return out;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// 0, or the errno of one attempt to send the datagram.
int send_datagram(int socket, const std::string& text, int attached) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof attached)> control{};
  if (attached >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    auto* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof attached);
    std::memcpy(CMSG_DATA(header), &attached, sizeof attached);
  }
  return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

}  // namespace

struct ServiceManager::Impl : std::enable_shared_from_this<ServiceManager::Impl> {
  Impl(asio::io_context& context, Warn to) : loop(context), socket(context), warn(std::move(to)) {}

  Task<void> send();

  asio::io_context& loop;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  Datagrams::socket socket;
  Warn warn;
  struct Datagram {
    std::string text{};
    UniqueFd attached{};
  };
  std::deque<Datagram> waiting{};
  bool sending = false;
};

Task<void> ServiceManager::Impl::send() {
  const auto self = shared_from_this();
  while (!waiting.empty()) {
    const Datagram next = std::move(waiting.front());
    waiting.pop_front();
    int failure = EAGAIN;
    while (failure == EAGAIN || failure == EINTR) {
      boost::system::error_code error;
      co_await socket.async_wait(Datagrams::socket::wait_write,
                                 asio::redirect_error(asio::use_awaitable, error));
      failure = error ? error.value()
                      : send_datagram(socket.native_handle(), next.text, next.attached.get());
    }
    if (failure != 0) {
      warn("cannot tell systemd '" + next.text + "': " + std::strerror(failure));
    }
  }
  sending = false;
}

ServiceManager::ServiceManager(asio::io_context& loop, Warn warn) {
  std::string path = take_variable("NOTIFY_SOCKET");
  const auto period = number(take_variable("WATCHDOG_USEC"));
  const auto watched = number(take_variable("WATCHDOG_PID"));
  // '@' begins a name of the abstract namespace (unix(7)); anything else has to be a path.
  if (path.size() < 2 || (path.front() != '@' && path.front() != '/')) return;
  if (path.front() == '@') path.front() = '\0';
  auto impl = std::make_shared<Impl>(loop, std::move(warn));
  boost::system::error_code error;
  impl->socket.open(Datagrams(), error);
  if (!error) impl->socket.connect(Datagrams::endpoint(path), error);
  if (error) {
    impl->warn("cannot connect to NOTIFY_SOCKET: " + error.message());
    return;
  }
  impl_ = std::move(impl);
  if (period && *period > 0 && (!watched || *watched == ::getpid())) {
    watchdog_ = std::chrono::microseconds(*period);
  }
}

ServiceManager::~ServiceManager() = default;

bool ServiceManager::present() const {
  return impl_ != nullptr;
}

std::optional<std::chrono::microseconds> ServiceManager::watchdog() const {
  return watchdog_;
}

void ServiceManager::tell(std::string assignments, UniqueFd attached) {
  if (!impl_) return;
  impl_->waiting.push_back({std::move(assignments), std::move(attached)});
  if (!std::exchange(impl_->sending, true)) {
    asio::co_spawn(impl_->loop, impl_->send(), asio::detached);
  }
}

Task<bool> ServiceManager::all_read(std::chrono::milliseconds limit) {
  using asio::experimental::awaitable_operators::operator||;
  std::array<int, 2> ends{-1, -1};
  if (!impl_ || ::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) co_return false;
  const auto executor = co_await asio::this_coro::executor;
  // systemd closes the end that it gets when it comes to it: that is the answer.
  WatchedFd answer(executor, UniqueFd(ends[0]));
  tell("BARRIER=1", UniqueFd(ends[1]));
  asio::steady_timer timer(executor, limit);
  const auto first = co_await (answer.readable() || timer.async_wait(asio::use_awaitable));
  co_return first.index() == 0;
}

}  // namespace dixis
