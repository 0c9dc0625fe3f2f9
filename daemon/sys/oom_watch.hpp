#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio.hpp>

#include "daemon/sys/fd.hpp"

namespace dixis {

/// What one cgroup's memory.events has told. Its files stay open: systemd removes an emptied group,
/// and what is opened later is gone; a read then is ENODEV, and what was read last stays.
class OomAccount {
 public:
  /// nullptr: memory isn't counted there.
  static std::shared_ptr<OomAccount> open(const std::string& directory);

  /// Reads anew, as far as that still goes. True: more processes were killed since the last time.
  bool refresh();

  std::uint64_t kills() const { return kills_; }  ///< processes killed for memory, since its start
  std::int64_t last_ms() const { return last_ms_; }  ///< boot time at which the latest was noticed
  std::optional<std::uint64_t> limit() const { return limit_; }  ///< bytes; nullopt: none, unknown
  std::optional<std::uint64_t> peak() const { return peak_; }

 private:
  UniqueFd events_{}, peak_file_{}, limit_file_{};
  std::uint64_t kills_ = 0;
  std::int64_t last_ms_ = 0;
  std::optional<std::uint64_t> limit_{}, peak_{};
};

/// Tells of a cgroup's kills when they happen, by inotify. Loop's thread.
class OomWatch {
 public:
  using Told = std::function<void()>;
  explicit OomWatch(boost::asio::io_context& loop);
  ~OomWatch();

  /// `told` runs after each kill in that group. nullptr: its memory isn't counted.
  std::shared_ptr<OomAccount> watch(const std::string& directory, Told told);
  void unwatch(const std::shared_ptr<OomAccount>& account);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
