#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <sys/types.h>

#include <boost/asio.hpp>

#include "common/result.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

/// What one datagram of the sd_notify(3) protocol says.
struct Notification {
  pid_t sender = 0;  ///< as the kernel tells; 0 if it could not
  uid_t uid = 0;
  std::map<std::string, std::string> assignments{};  ///< READY, STATUS, WATCHDOG, STOPPING, …
};

/// The socket that NOTIFY_SOCKET names to one instance: a datagram socket in the runtime directory.
/// Lives on the loop's thread; closed and unlinked when destroyed.
class NotifySocket {
 public:
  /// `owner`: the app's uid and gid may write to it, others may not. A socket that is there already
  /// is replaced; or is this one, where a predecessor of the daemon has `kept` it. `on_message` is
  /// called on the loop's thread.
  static Result<std::unique_ptr<NotifySocket>> open(
      boost::asio::io_context& loop, const std::filesystem::path& file, uid_t uid, gid_t gid,
      std::function<void(const Notification&)> on_message, UniqueFd kept);
  virtual ~NotifySocket() = default;

  virtual int descriptor() const = 0;
};

/// RUNTIME/notify/APP-INSTANCE-GENERATION
std::filesystem::path notify_socket_file(const std::filesystem::path& runtime,
                                         const std::string& app, std::uint32_t instance,
                                         std::uint64_t generation);

}  // namespace dixis
