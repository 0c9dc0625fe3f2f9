#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "daemon/run/notifier.hpp"
#include "daemon/sys/listener.hpp"

namespace dixis {

/// Looks for new TCP listeners on behalf of all starts that wait for one: a netlink dump at most
/// every 10 ms, and none while nobody waits. Lives on the loop's thread.
class ListenerWatch {
 public:
  explicit ListenerWatch(boost::asio::io_context& loop);
  ~ListenerWatch();

  /// Waits until something listens on `port`, or for `timeout`. Gives what listens there then;
  /// empty after the timeout.
  Task<std::vector<Listener>> wait(std::uint16_t port, std::chrono::milliseconds timeout);

  /// What listens on `port` now.
  static std::vector<Listener> on_port(std::uint16_t port);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
