#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include <boost/asio.hpp>

#include "daemon/sys/worker.hpp"

namespace dixis {

/// Tells those who follow logs which files have been written, with one inotify descriptor for all
/// of them; it is closed when nobody follows. Events are handed on every 20 ms at most. Loop's
/// thread; what touches the disk is done by the worker.
class LogWatch {
 public:
  LogWatch(boost::asio::io_context& loop, Worker& worker);
  ~LogWatch();

  /// What has happened since it was taken last.
  struct Follower {
    std::set<std::filesystem::path> written{};
    bool all_written = false;                   ///< events were lost: any file may have been
    std::set<std::filesystem::path> created{};  ///< files that are new in one of the directories
    bool watched = false;  ///< false: nothing is told, a directory is missing or can't be watched
    boost::asio::steady_timer changed;  ///< cancelled when something has happened
    std::set<std::filesystem::path> directories{};

    bool idle() const { return written.empty() && created.empty() && !all_written; }
  };

  /// From now on what happens in these directories is told. The following ends when the pointer is
  /// dropped.
  Task<std::shared_ptr<Follower>> follow(std::set<std::filesystem::path> directories);
  /// Watches again; whether all of it is watched now.
  Task<bool> renew(std::shared_ptr<Follower> follower);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
