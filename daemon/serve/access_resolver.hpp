#pragma once

#include <memory>
#include <optional>

#include "daemon/run/notifier.hpp"
#include "daemon/serve/peer.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// Keeps the ids of the names in `access:`. Names are looked up beside the loop, once at start and
/// again when the configuration's access has changed. Lives on the loop's thread.
class AccessResolver {
 public:
  /// The ids of `access`; waits while they are being looked up.
  Task<AccessIds> resolve(Access access);

 private:
  std::optional<Access> resolved_;
  AccessIds ids_;
  Notifier done_;
  std::unique_ptr<Worker> worker_;  ///< only while names are being looked up
};

}  // namespace dixis
