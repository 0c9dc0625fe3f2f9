#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "daemon/logs/log_file.hpp"
#include "daemon/logs/relief.hpp"
#include "daemon/sys/fd.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// The part of Capture that lives on the log worker: all its calls but expect() come from there.
class Carrier : public std::enable_shared_from_this<Carrier> {
 public:
  /// `directory`: of the logs. `intent`: see intent.hpp.
  Carrier(boost::asio::io_context& context, std::filesystem::path directory,
          const std::filesystem::path& intent);

  /// Makes right what a killed predecessor was doing, and begins.
  void begin();

  /// A pipe that nobody has written to will be followed: until then, which is long where the disk
  /// hangs, it is relieved. Any thread.
  void expect(const std::shared_ptr<LogPipe>& pipe, const LogSettings& settings);

  /// Carries from the pipe until its last writer is gone.
  void follow(const std::shared_ptr<LogPipe>& pipe, const LogSettings& settings);

  /// From now on this holds for the app's logs.
  void configure(const std::string& app, const LogSettings& settings);
  void set_ceiling(std::optional<std::uint64_t> bytes) { tools_.retention.set_ceiling(bytes); }

  /// The end of what this generation has written to stdout or stderr, at most `most` bytes, whole
  /// lines where it can. What its pipe holds is carried first.
  std::string tail(const LogSource& source, LogStream stream, const LogSettings& settings,
                   std::size_t most);

  /// Empties the logs of an app. What can't be emptied is told.
  Result<void> flush(const std::string& app, const LogSettings& settings, std::uint32_t instances);

  /// Finds all files anew, by their names. Gives how many they are.
  std::size_t reopen();

  /// Carries now what all pipes hold, then lets go of them. What living apps write later stays in
  /// their pipes, for the next daemon.
  void finish();

 private:
  struct Stream {
    std::shared_ptr<LogPipe> pipe;
    std::shared_ptr<LogFile> file;
    bool queued = false;
    bool hung_up = false;  ///< its last writer may be gone
    bool failing = false;
  };
  using StreamPtr = std::shared_ptr<Stream>;
  class Working;

  std::filesystem::path path_of(const LogSource& source, LogStream stream,
                                const LogSettings& settings) const;
  std::shared_ptr<LogFile> file_of(const std::string& app, const std::filesystem::path& path,
                                   const LogSettings& settings);
  void release(const std::shared_ptr<LogFile>& file);
  void attach(Stream& stream, const LogSettings& settings);
  void count_pipes(const LogFile& file) const;

  void wait();
  void collect();
  void queue(const StreamPtr& stream);
  void take_turns();
  void advance(const StreamPtr& stream);
  void retry_later();
  void relief_acted();
  void forget(const StreamPtr& stream);
  /// What its pipe holds now, whole lines or not; at most until then.
  static void carry_all(Stream& stream, std::chrono::steady_clock::time_point until);

  boost::asio::io_context& context_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  std::filesystem::path directory_;
  LogTools tools_;
  UniqueFd epoll_;
  boost::asio::posix::stream_descriptor readiness_;
  boost::asio::steady_timer retry_;
  bool retrying_ = false;
  bool turns_posted_ = false;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, StreamPtr> streams_{};
  std::map<std::filesystem::path, std::shared_ptr<LogFile>> files_{};
  std::deque<StreamPtr> ready_{};
  std::atomic<bool> acted_ = false;
  Relief relief_;
};

}  // namespace dixis
