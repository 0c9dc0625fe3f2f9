#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio.hpp>

#include "common/result.hpp"
#include "daemon/run/build/build_on_disk.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// Watches the builds of all apps with one inotify descriptor: every directory on the way to each
/// watched file, symbolic links resolved as the kernel does, so that a removal, a late appearance
/// and a switched link are seen. After a change the build is read again on the slow worker; a burst
/// of changes is read at most every 100 ms, and what came last is never missed. Loop's thread.
class BuildWatch {
 public:
  /// Called with what lies on disk at first, and after each change of id or completeness.
  using Changed = std::function<void(const std::optional<BuildOnDisk>&)>;

  BuildWatch(boost::asio::io_context& loop, Worker& slow_worker);
  ~BuildWatch();

  /// Watches for `app`; replaces an earlier watch of the same name.
  void watch(const std::string& app, AppSpec spec, std::optional<Credentials> credentials,
             Changed changed);
  void unwatch(const std::string& app);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
