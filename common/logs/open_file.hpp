#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace dixis::logs {

/// A regular file, open for reading. Its calls may block on the disk.
class OpenFile {
 public:
  /// Opens `path`; nothing if that can't be done or if it isn't a regular file: errno says why
  /// (EINVAL for the latter).
  static std::optional<OpenFile> open(const std::filesystem::path& path);

  OpenFile(OpenFile&& other) noexcept;
  OpenFile& operator=(OpenFile&& other) noexcept;
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile();

  std::uint64_t size() const { return size_; }          ///< in bytes, when it was opened
  std::int64_t written_ms() const { return written_; }  ///< last change of its bytes, Unix time
  /// Tells files apart for as long as they exist, renamed or not.
  std::uint64_t identity() const { return identity_; }

  /// Reads at most `size` bytes from `offset`; fewer at the end of the file or on an error.
  std::string read(std::uint64_t offset, std::size_t size) const;

 private:
  explicit OpenFile(int fd) : fd_(fd) {}

  int fd_ = -1;
  std::uint64_t size_ = 0;
  std::int64_t written_ = 0;
  std::uint64_t identity_ = 0;
};

}  // namespace dixis::logs
