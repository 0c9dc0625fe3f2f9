#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "common/result.hpp"
#include "daemon/sys/fd.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// The ends of a generation's two pipes that the app gets. They are open for reading too, so that
/// the app outlives a daemon that dies: no SIGPIPE, it waits when the pipe is full.
struct CaptureEnds {
  UniqueFd out;
  UniqueFd err;
};

/// Where the lines of one generation begin in its files, to find its last ones.
struct CaptureMark {
  std::filesystem::path out_file;
  std::filesystem::path err_file;
  std::int64_t out_offset = 0;
  std::int64_t err_offset = 0;
};

/// Carries what apps write to APP-out.log and APP-err.log, byte for byte, on the log worker: splice
/// from pipe to file, so that a kill of the daemon neither loses nor doubles bytes. If the file
/// can't be written, what the app wrote is dropped and counted after 1 s, and a line in the file
/// says so later; the app is never blocked for longer.
///
/// All calls come from the loop's thread.
class Capture {
 public:
  Capture(Worker& worker, std::filesystem::path directory);
  ~Capture();

  /// Files of an app.
  std::filesystem::path out_file(const std::string& app) const;
  std::filesystem::path err_file(const std::string& app) const;

  /// Makes the pipes of a generation (1 MiB where allowed) and starts to carry. The carrying ends
  /// with the last writer.
  Result<CaptureEnds> open(const std::string& app);

  /// Carries on with a generation that lives already: reopens its pipes through /proc/PID/fd/1, 2.
  Result<void> adopt(const std::string& app, int pid);

  /// Carries on from read ends that were kept (non-blocking); one that is invalid is left out.
  void resume(const std::string& app, UniqueFd out, UniqueFd err);

  /// Returns when what the app's pipes hold now is in its files, or after 500 ms.
  Task<void> flush(std::string app);

  /// Where the files end now.
  Task<CaptureMark> mark(std::string app);

  /// The last `lines` lines of stderr (of stdout, if that is empty) since the mark, at most 4 KiB.
  /// Waits first, at most 200 ms, until what is in the pipes has been carried.
  Task<std::string> last_lines(CaptureMark mark, int lines);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
