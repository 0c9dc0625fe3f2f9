#include "common/logs/open_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace dixis::logs {

std::optional<OpenFile> OpenFile::open(const std::filesystem::path& path) {
  // Non-blocking: a named pipe in the place of a log must not hold the reader up.
  OpenFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.fd_ < 0) return std::nullopt;
  struct statx facts {};
  if (::statx(file.fd_, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &facts) != 0) {
    return std::nullopt;
  }
  if (!S_ISREG(facts.stx_mode)) {
    errno = EINVAL;
    return std::nullopt;
  }
  file.size_ = facts.stx_size;
  file.written_ = facts.stx_mtime.tv_sec * 1000 + facts.stx_mtime.tv_nsec / 1'000'000;
  // An inode's number alone would be used again; where the birth isn't known it is 0.
  const auto birth =
      static_cast<std::uint64_t>(facts.stx_btime.tv_sec) * 1'000'000'000U + facts.stx_btime.tv_nsec;
  file.identity_ = birth * 0x9E3779B97F4A7C15U ^ facts.stx_ino;
  return file;
}

OpenFile::OpenFile(OpenFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      written_(other.written_),
      identity_(other.identity_) {}

OpenFile& OpenFile::operator=(OpenFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  size_ = other.size_;
  written_ = other.written_;
  identity_ = other.identity_;
  return *this;
}

OpenFile::~OpenFile() {
  if (fd_ >= 0) ::close(fd_);
}

std::string OpenFile::read(std::uint64_t offset, std::size_t size) const {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count =
        ::pread(fd_, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace dixis::logs
