#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio.hpp>

#include "daemon/sys/fd.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// What the service manager is told about the daemon itself: the protocol of sd_notify(3),
/// datagrams to the socket named by NOTIFY_SOCKET. Where there is none, nothing is told. Loop's
/// thread.
class ServiceManager {
 public:
  /// Gets what could not be told, and why, in words.
  using Warn = std::function<void(const std::string&)>;

  /// Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment.
  ServiceManager(boost::asio::io_context& loop, Warn warn);
  ~ServiceManager();

  /// Whether a service manager started this process and waits for its words.
  bool present() const;

  /// Sends assignments such as "READY=1\nSTATUS=…", with a descriptor where one belongs to them;
  /// returns at once. What the manager has no room for is sent as soon as it has.
  void tell(std::string assignments, UniqueFd attached = {});

  /// Waits until the manager has read all that it was told before (BARRIER=1). False: it has not
  /// within `limit`, or there is none.
  Task<bool> all_read(std::chrono::milliseconds limit);

  /// How often WATCHDOG=1 has to come at least (WatchdogSec=); nullopt: nobody asks for it.
  std::optional<std::chrono::microseconds> watchdog() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
  std::optional<std::chrono::microseconds> watchdog_{};
};

}  // namespace dixis
