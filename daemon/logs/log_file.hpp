#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <sys/types.h>

#include "daemon/sys/fd.hpp"

namespace dixis {

/// What one attempt to empty a pipe came to.
enum class Carried {
  moved,   ///< some bytes
  empty,   ///< there were none
  ended,   ///< the last writer is gone
  failed,  ///< the file can't be written; the pipe holds what it held
};

/// One stream's file of one app, shared by all its instances and generations. It lives on the log
/// worker; its calls may block on the disk.
///
/// It is written at its end, wherever that is by now: one that was truncated goes on at its new
/// end; in the place of one that was removed or renamed a new one is made.
///
/// Rotation belongs in locate() (a new file once this one is large), formats in carry() (in place
/// of the plain splice).
class LogFile {
 public:
  explicit LogFile(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }

  /// Makes the file if it isn't there. A failure shows at the first byte, or not at all.
  void prepare() { locate(); }

  /// Moves at most `limit` bytes with splice(2): a kill leaves each byte either in the pipe or in
  /// the file. Puts the line about lost ones before them.
  Carried carry(int pipe, std::size_t limit, std::size_t* moved = nullptr);

  /// Takes what the pipe holds (at most `limit`) and counts it as lost.
  Carried drop(int pipe, std::size_t limit);

  /// Since when writing fails; zero while it works.
  std::chrono::milliseconds failing_for() const;

  /// Whether a line about lost ones has still to be written.
  bool owes_line() const { return lost_.bytes > 0; }

 private:
  struct Lost {
    std::uint64_t lines = 0;
    std::uint64_t bytes = 0;
    std::chrono::system_clock::time_point last{};
  };

  /// Opens or reopens, and finds the end. 0 or the errno.
  int locate();
  int open_file();
  int write_all(const std::string& text);
  void take_back();
  std::string lost_line() const;
  Carried fail(int error);

  std::filesystem::path path_;
  UniqueFd file_{};
  dev_t device_ = 0;
  ino_t inode_ = 0;
  off_t end_ = 0;

  int error_ = 0;  ///< errno of the failure that lasts
  std::chrono::steady_clock::time_point failing_since_{};
  std::chrono::system_clock::time_point failing_since_wall_{};
  Lost lost_{};
};

}  // namespace dixis
