#include "daemon/logs/compressor.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>
#include <vector>
#include <zstd.h>

#include "common/log_index.hpp"
#include "daemon/logs/rotated_files.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {
namespace {

constexpr int kLevel = 3;
constexpr int kWindowLog = 19;  // 512 KiB: little memory, and log lines repeat at short distances
constexpr std::size_t kBuffer = std::size_t{128} << 10U;

/// CPU and disk are for others first. Of this thread alone: Linux has both per thread.
void yield_to_others() {
  constexpr int kWhoProcess = 1;  // IOPRIO_WHO_PROCESS
  constexpr int kIdle = 3 << 13;  // IOPRIO_CLASS_IDLE, see ioprio_set(2)
  (void)::setpriority(PRIO_PROCESS, 0, 19);
  (void)::syscall(SYS_ioprio_set, kWhoProcess, 0, kIdle);
}

struct Files {
  UniqueFd from;
  UniqueFd to;
};

Result<void> write_all(int file, const char* bytes, std::size_t size) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t count = ::write(file, bytes + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error("cannot write a compressed log", errno);
    done += static_cast<std::size_t>(count);
  }
  return {};
}

/// One frame after the other, each of the next kLogFrameBytes.
class Frames {
 public:
  explicit Frames(const Files& files) : files_(files), context_(ZSTD_createCCtx(), &ZSTD_freeCCtx) {
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_windowLog, kWindowLog);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }

  /// `size`: of its input, which the frame's header tells.
  Result<void> add(std::size_t size, const std::atomic<bool>& ending) {
    ZSTD_CCtx_reset(context_.get(), ZSTD_reset_session_only);
    ZSTD_CCtx_setPledgedSrcSize(context_.get(), size);
    while (size > 0) {
      if (ending) return Error{"the daemon ends"};
      const ssize_t count = ::read(files_.from.get(), in_.data(), std::min(in_.size(), size));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return errno_error("cannot read a log", errno);
      if (count == 0) return Error{"the log was cut while it was being compressed"};
      size -= static_cast<std::size_t>(count);
      auto put =
          compress(static_cast<std::size_t>(count), size == 0 ? ZSTD_e_end : ZSTD_e_continue);
      if (!put) return put;
    }
    return {};
  }

 private:
  Result<void> compress(std::size_t size, ZSTD_EndDirective how) {
    ZSTD_inBuffer in{in_.data(), size, 0};
    for (;;) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      const std::size_t left = ZSTD_compressStream2(context_.get(), &out, &in, how);
      if (ZSTD_isError(left) != 0) return Error{ZSTD_getErrorName(left)};
      if (auto written = write_all(files_.to.get(), out_.data(), out.pos); !written) return written;
      if (how == ZSTD_e_end ? left == 0 : in.pos == in.size) return {};
    }
  }

  const Files& files_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context_;
  std::vector<char> in_ = std::vector<char>(kBuffer);
  std::vector<char> out_ = std::vector<char>(kBuffer);
};

/// A reader of the compressed one finds the owner, mode and time of the plain one.
Result<void> finish(const Files& files, const struct stat& facts) {
  const timespec times[2] = {facts.st_atim, facts.st_mtim};
  const bool alike = ::fchown(files.to.get(), facts.st_uid, facts.st_gid) == 0 &&
                     ::fchmod(files.to.get(), facts.st_mode & 07777U) == 0 &&
                     ::futimens(files.to.get(), times) == 0;
  if (!alike) return errno_error("cannot give a compressed log its owner", errno);
  if (::fsync(files.to.get()) != 0) return errno_error("cannot sync a compressed log", errno);
  return {};
}

void replace_by_compressed(const std::filesystem::path& rotated, const std::atomic<bool>& ending) {
  const auto compressed = compressed_log(rotated);
  const auto unfinished = unfinished_log(compressed);
  const bool made = compress_file(rotated, unfinished, ending).has_value() &&
                    std::rename(unfinished.c_str(), compressed.c_str()) == 0;
  if (!made) {
    ::unlink(unfinished.c_str());
  } else if (::unlink(rotated.c_str()) != 0 && errno == ENOENT) {
    ::unlink(compressed.c_str());  // it had to go meanwhile
  }
}

}  // namespace

Result<void> compress_file(const std::filesystem::path& from, const std::filesystem::path& to,
                           const std::atomic<bool>& ending) {
  constexpr int kNew = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
  const Files files{UniqueFd(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)),
                    UniqueFd(::open(to.c_str(), kNew, 0600))};
  struct stat facts {};
  if (!files.from || !files.to || ::fstat(files.from.get(), &facts) != 0) {
    return errno_error("cannot compress " + from.string(), errno);
  }
  Frames frames(files);
  auto left = static_cast<std::uint64_t>(facts.st_size);
  while (left > 0) {
    const auto size = std::min<std::uint64_t>(left, kLogFrameBytes);
    if (auto added = frames.add(static_cast<std::size_t>(size), ending); !added) return added;
    left -= size;
  }
  return finish(files, facts);
}

Compressor::Compressor() {
  boost::asio::post(worker_.context(), yield_to_others);
}

Compressor::~Compressor() {
  ending_ = true;
}

void Compressor::compress(const std::filesystem::path& rotated) {
  {
    const std::lock_guard lock(mutex_);
    if (!waiting_.insert(rotated).second) return;
  }
  boost::asio::post(worker_.context(), [this, rotated] {
    if (!ending_) replace_by_compressed(rotated, ending_);
    const std::lock_guard lock(mutex_);
    waiting_.erase(rotated);
  });
}

}  // namespace dixis
