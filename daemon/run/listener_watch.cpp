#include "daemon/run/listener_watch.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace dixis {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {
constexpr auto kInterval = 10ms;
}

struct ListenerWatch::Impl {
  /// Those who wait for one port, and what the last look found on it.
  struct Port {
    std::size_t waiters = 0;
    std::vector<Listener> found{};
    Notifier appeared{};
  };

  explicit Impl(asio::io_context& context) : loop(context) {}

  asio::io_context& loop;
  std::map<std::uint16_t, Port> awaited;
  bool looking = false;

  void look() {
    auto listeners = tcp_listeners();
    if (!listeners) return;
    for (auto& [number, port] : awaited) port.found.clear();
    for (auto& listener : *listeners) {
      const auto port = awaited.find(listener.port);
      if (port != awaited.end()) port->second.found.push_back(std::move(listener));
    }
    for (auto& [number, port] : awaited) {
      if (!port.found.empty()) port.appeared.notify_all();
    }
  }

  /// Runs while somebody waits.
  static Task<void> keep_looking(std::shared_ptr<Impl> self) {
    asio::steady_timer timer(self->loop);
    while (!self->awaited.empty()) {
      self->look();
      timer.expires_after(kInterval);
      co_await timer.async_wait(asio::use_awaitable);
    }
    self->looking = false;
  }
};

namespace {

/// A port is awaited as long as one of these lives.
template <class Ports>
class Await {
 public:
  Await(Ports& ports, std::uint16_t number) : ports_(&ports), number_(number) { ++port().waiters; }
  ~Await() {
    if (--port().waiters == 0) ports_->erase(number_);
  }
  Await(const Await&) = delete;
  Await& operator=(const Await&) = delete;

  typename Ports::mapped_type& port() { return (*ports_)[number_]; }

 private:
  Ports* ports_;
  std::uint16_t number_;
};

}  // namespace

ListenerWatch::ListenerWatch(asio::io_context& loop) : impl_(std::make_shared<Impl>(loop)) {}
ListenerWatch::~ListenerWatch() = default;

Task<std::vector<Listener>> ListenerWatch::wait(std::uint16_t port,
                                                std::chrono::milliseconds timeout) {
  const auto impl = impl_;
  const auto until = std::chrono::steady_clock::now() + timeout;
  Await awaiting(impl->awaited, port);
  if (!std::exchange(impl->looking, true)) {
    asio::co_spawn(impl->loop, Impl::keep_looking(impl), asio::detached);
  }
  while (awaiting.port().found.empty()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left <= 0ms) break;
    co_await awaiting.port().appeared.wait(left);
  }
  co_return std::exchange(awaiting.port().found, {});
}

std::vector<Listener> ListenerWatch::on_port(std::uint16_t port) {
  auto listeners = tcp_listeners();
  if (!listeners) return {};
  std::erase_if(*listeners, [&](const Listener& listener) { return listener.port != port; });
  return *listeners;
}

}  // namespace dixis
