#include "daemon/sys/systemd/service_manager.hpp"

#include <charconv>
#include <cstdlib>
#include <deque>
#include <string_view>
#include <unistd.h>
#include <utility>

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

}  // namespace

struct ServiceManager::Impl : std::enable_shared_from_this<ServiceManager::Impl> {
  Impl(asio::io_context& context, Warn to) : loop(context), socket(context), warn(std::move(to)) {}

  Task<void> send();

  asio::io_context& loop;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  Datagrams::socket socket;
  Warn warn;
  std::deque<std::string> waiting{};
  bool sending = false;
};

Task<void> ServiceManager::Impl::send() {
  const auto self = shared_from_this();
  while (!waiting.empty()) {
    const std::string text = std::move(waiting.front());
    waiting.pop_front();
    const auto [error, size] =
        co_await socket.async_send(asio::buffer(text), asio::as_tuple(asio::use_awaitable));
    static_cast<void>(size);
    if (error) warn("cannot tell systemd '" + text + "': " + error.message());
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

void ServiceManager::tell(std::string assignments) {
  if (!impl_) return;
  impl_->waiting.push_back(std::move(assignments));
  if (!std::exchange(impl_->sending, true)) {
    asio::co_spawn(impl_->loop, impl_->send(), asio::detached);
  }
}

}  // namespace dixis
