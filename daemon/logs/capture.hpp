#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "common/result.hpp"
#include "daemon/logs/log_settings.hpp"
#include "daemon/sys/fd.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// The ends of a generation's two pipes that the app gets. They are open for reading too, so that
/// the app outlives a daemon that dies: no SIGPIPE, it waits when the pipe is full.
struct CaptureEnds {
  UniqueFd out;
  UniqueFd err;
};

/// Where Capture keeps what.
struct CapturePlaces {
  std::filesystem::path logs;     ///< the log directory
  std::filesystem::path runtime;  ///< a directory in memory that outlives the daemon
};

/// Carries what apps write to their logs, on the log worker. A kill of the daemon neither loses nor
/// doubles a byte. If a file can't be written, and its pipe has been full for 1 s, what the app
/// wrote is dropped and counted, and a line in the file says so later, unless the app's settings
/// say `block`.
///
/// All calls come from the loop's thread; none blocks.
class Capture {
 public:
  Capture(Worker& worker, const CapturePlaces& places);
  ~Capture();

  /// The files of an instance.
  std::filesystem::path file(const LogSettings& settings, std::uint32_t instance,
                             LogStream stream) const;

  /// Makes the pipes of a generation (1 MiB where allowed) and starts to carry. The carrying ends
  /// with the last writer.
  Result<CaptureEnds> open(const LogSource& source, const LogSettings& settings);

  /// Carries on with a generation that lives already: reopens its pipes through /proc/PID/fd/1, 2.
  Result<void> adopt(const LogSource& source, const LogSettings& settings, int pid);

  // For a store of descriptors that outlives the daemon:

  /// A duplicate of the read end that is carried from; nothing if there is none any more.
  std::optional<UniqueFd> read_end(const LogSource& source, LogStream stream) const;
  /// Carries on from a read end that a predecessor had, whether the app lives or not.
  void take(const LogSource& source, LogStream stream, const LogSettings& settings,
            UniqueFd read_end);

  /// What holds for an app's logs from now on.
  void configure(const std::string& app, const LogSettings& settings);
  /// Most bytes of all logs together.
  void set_ceiling(std::optional<std::uint64_t> bytes);

  /// The last `lines` lines of a generation's stderr (of its stdout, if that is empty), at most
  /// 4 KiB. What it wrote until now is carried first. Nothing, if the disk doesn't answer within
  /// 500 ms.
  Task<std::string> last_lines(LogSource source, LogSettings settings, int lines);

  /// Empties the logs of an app, rotated ones included. At most 5 s.
  Task<Result<void>> flush(std::string app, LogSettings settings, std::uint32_t instances);
  /// Finds all files anew by their names, as after an external rotation: gives how many. At most
  /// 5 s.
  Task<Result<std::size_t>> reopen();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
