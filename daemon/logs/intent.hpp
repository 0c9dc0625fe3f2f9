#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <sys/types.h>

namespace dixis {

/// What makes a carried byte arrive once, whenever the daemon is killed. Bytes are looked at in the
/// pipe, written to the file, and only then taken out of the pipe; what is under way stands here,
/// in memory that outlives the process: a small file of the runtime directory, mapped.
///
/// The next daemon cuts off what was written by half, and takes out of the pipe what was written
/// wholly. Whether it had been taken already shows in the buffer: its last byte is made wrong
/// before the read(2) that takes, which copies that byte last, and which no signal breaks off
/// while it has bytes to copy.
///
/// Lives on the log worker. One at a time is under way.
class LogIntent {
 public:
  /// Without such a file (`file` can't be made) everything works but the recovery.
  explicit LogIntent(const std::filesystem::path& file);
  ~LogIntent();
  LogIntent(const LogIntent&) = delete;
  LogIntent& operator=(const LogIntent&) = delete;

  /// Room for the bytes that are under way: as many as a pipe holds.
  std::span<char> buffer();

  struct Write {
    ino_t pipe = 0;
    std::filesystem::path path{};
    dev_t device = 0;
    ino_t inode = 0;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;   ///< to be written there
    std::uint64_t source = 0;  ///< bytes of the pipe that they stand for
  };

  /// From now on this may be in the file, wholly, by half or not at all.
  void begin(const Write& write);
  /// All of it is in the file, and will be taken from the pipe at once: read(2) of the source's
  /// size to the beginning of the buffer.
  void taking();
  /// The source was taken out before the write was done, since that hangs. Any thread.
  void taken_early();
  /// It is done; or nothing of it is in the file.
  void end();

  /// Makes the file right that a killed predecessor was writing; blocks on the disk. To be called
  /// before anything else.
  void recover();

  /// Bytes at the head of this pipe that are in a file already, from a predecessor. `begin` and
  /// `taking` say that they are being taken; then `end`.
  std::uint64_t already_written(ino_t pipe) const;

 private:
  struct State;
  struct Slot;
  void put(const Slot& slot);
  const Slot* current() const;
  void owe(std::uint64_t pipe, std::uint64_t bytes);
  void forgive(std::uint64_t pipe);

  State* state_ = nullptr;
};

}  // namespace dixis
