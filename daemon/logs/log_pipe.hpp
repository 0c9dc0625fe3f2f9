#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <sys/types.h>

#include "daemon/logs/intent.hpp"
#include "daemon/logs/log_settings.hpp"
#include "daemon/logs/losses.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

/// Looks at what a pipe holds without taking it. Log worker.
class PipeLens {
 public:
  PipeLens();
  /// Copies what is at the head. 0 bytes: it is empty, or the last writer is gone.
  std::size_t look(int pipe, std::span<char> into) const;

 private:
  UniqueFd in_{};
  UniqueFd out_{};
};

/// The read end of one stream of a generation. Two threads take from it: the log worker, which
/// writes, and the relief (relief.hpp), which drops when the worker doesn't come. No call blocks.
///
/// The pipe is never locked by the kernel while the disk is awaited: a splice(2) from it to a file
/// would keep the app in its write(2) for as long as the disk hangs.
class LogPipe {
 public:
  LogPipe(UniqueFd read_end, LogSource source, LogStream stream);

  const LogSource& source() const { return source_; }
  LogStream stream() const { return stream_; }
  int fd() const { return read_end_.get(); }
  ino_t inode() const { return inode_; }

  /// A duplicate of the read end; nothing where descriptors have run out.
  UniqueFd duplicate() const;

  /// Where its losses are counted, and whether it may drop.
  void report_to(std::shared_ptr<Losses> losses, LogSettings::WhenFull when_full);
  /// Where they are counted; null before report_to().
  std::shared_ptr<Losses> losses() const;

  // --- by the worker ------------------------------------------------------------------------

  /// What is at the head, after the rest of a line whose beginning was dropped. Until begin(),
  /// not_written() or the next look() these bytes are the worker's.
  std::size_t look(const PipeLens& lens, std::span<char> into);
  /// Of the bytes that were `seen`, the first `write.source` are about to be written.
  void begin(LogIntent& intent, const LogIntent::Write& write, std::span<const char> seen);
  /// They are written: takes them out, unless the relief had to. Ends the intent.
  void written(LogIntent& intent);
  /// They could not be written, and stay, unless the relief took them: then they are lost.
  /// `error`: errno; 0 if there was nothing to write yet.
  void not_written(std::span<const char> seen, int error);
  /// The worker came, and found nothing that it could write.
  void relieved();
  /// Nothing more comes from it.
  void ended();
  /// Takes bytes that a killed predecessor has written.
  void take_written(const PipeLens& lens, LogIntent& intent);

  // --- by the relief ------------------------------------------------------------------------

  /// Whether it is to be dropped from: it has stayed full for 1 s (or was left with bytes by its
  /// last writer), and still can't be written.
  bool pressed(std::chrono::steady_clock::time_point now);
  /// Takes all that it holds, and counts it as lost; but what the worker is writing.
  void drop(LogIntent& intent);

 private:
  using Clock = std::chrono::steady_clock;

  void take(std::size_t bytes, char* into) const;
  void lose(std::span<const char> bytes);
  void lose_in_flight(std::span<const char> bytes);
  void came();

  const UniqueFd read_end_;
  const LogSource source_;
  const LogStream stream_;
  ino_t inode_ = 0;

  mutable std::mutex mutex_{};
  std::shared_ptr<Losses> losses_{};
  bool may_drop_ = true;
  std::size_t in_flight_ = 0;     ///< the worker's, at the head
  bool in_flight_taken_ = false;  ///< the relief took them
  bool lost_after_ = false;       ///< and more, which is lost
  bool in_lost_line_ = false;     ///< what comes first belongs to a line whose beginning is lost
  int error_ = 0;                 ///< of the worker's latest attempt
  bool full_ = false;
  bool dropping_ = false;
  Clock::time_point full_since_{};
  std::chrono::system_clock::time_point full_since_wall_{};
};

}  // namespace dixis
