#include "daemon/logs/log_pipe.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/logs/pipe.hpp"

namespace dixis {
namespace {

/// How long a pipe may stay full.
constexpr std::chrono::seconds kPatience{1};
constexpr std::size_t kPiece = std::size_t{64} << 10U;

ssize_t read_some(int fd, char* into, std::size_t size) {
  ssize_t count = -1;
  do {
    count = ::read(fd, into, size);
  } while (count < 0 && errno == EINTR);
  return count;
}

}  // namespace

PipeLens::PipeLens() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return;  // nothing can be carried then
  out_.reset(ends[0]);
  in_.reset(ends[1]);
  (void)::fcntl(in_.get(), F_SETPIPE_SZ, static_cast<int>(kPipeBytes));
}

std::size_t PipeLens::look(int pipe, std::span<char> into) const {
  ssize_t seen = -1;
  do {
    seen = ::tee(pipe, in_.get(), into.size(), SPLICE_F_NONBLOCK);
  } while (seen < 0 && errno == EINTR);
  std::size_t copied = 0;
  while (seen > 0 && copied < static_cast<std::size_t>(seen)) {
    const auto count =
        read_some(out_.get(), into.data() + copied, static_cast<std::size_t>(seen) - copied);
    if (count <= 0) break;
    copied += static_cast<std::size_t>(count);
  }
  return copied;
}

LogPipe::LogPipe(UniqueFd read_end, LogSource source, LogStream stream)
    : read_end_(std::move(read_end)), source_(std::move(source)), stream_(stream) {
  struct stat facts {};
  if (::fstat(read_end_.get(), &facts) == 0) inode_ = facts.st_ino;
}

UniqueFd LogPipe::duplicate() const {
  return UniqueFd(::fcntl(read_end_.get(), F_DUPFD_CLOEXEC, 0));
}

void LogPipe::report_to(std::shared_ptr<Losses> losses, LogSettings::WhenFull when_full) {
  const std::lock_guard lock(mutex_);
  losses_ = std::move(losses);
  may_drop_ = when_full == LogSettings::WhenFull::drop;
}

std::shared_ptr<Losses> LogPipe::losses() const {
  const std::lock_guard lock(mutex_);
  return losses_;
}

std::size_t LogPipe::look(const PipeLens& lens, std::span<char> into) {
  const std::lock_guard lock(mutex_);
  lose_in_flight(into.first(std::min(in_flight_, into.size())));
  for (;;) {
    const std::size_t seen = lens.look(fd(), into);
    if (seen == 0 || !in_lost_line_) {
      in_flight_ = seen;
      return seen;
    }
    const auto* newline = static_cast<const char*>(std::memchr(into.data(), '\n', seen));
    const std::size_t rest =
        newline == nullptr ? seen : static_cast<std::size_t>(newline - into.data()) + 1;
    take(rest, into.data());
    lose(into.first(rest));
    in_lost_line_ = newline == nullptr;
  }
}

void LogPipe::begin(LogIntent& intent, const LogIntent::Write& write, std::span<const char> seen) {
  const std::lock_guard lock(mutex_);
  const auto source = static_cast<std::size_t>(write.source);
  const bool taken = in_flight_taken_;
  if (source < seen.size()) lose_in_flight(seen.subspan(source));
  in_flight_ = source;
  in_flight_taken_ = taken;
  intent.begin(write);
  if (taken) intent.taken_early();
}

void LogPipe::written(LogIntent& intent) {
  const std::lock_guard lock(mutex_);
  if (!in_flight_taken_ && in_flight_ > 0) {
    intent.taking();
    take(in_flight_, intent.buffer().data());
  }
  intent.end();
  in_flight_ = 0;
  in_flight_taken_ = false;
  came();
}

void LogPipe::not_written(std::span<const char> seen, int error) {
  const std::lock_guard lock(mutex_);
  lose_in_flight(seen);
  error_ = error;
}

void LogPipe::relieved() {
  const std::lock_guard lock(mutex_);
  came();
}

void LogPipe::came() {
  error_ = 0;
  full_ = false;
  dropping_ = false;
  lost_after_ = false;
}

/// Bytes that the worker had looked at are not going to be written by it now.
void LogPipe::lose_in_flight(std::span<const char> bytes) {
  if (in_flight_taken_ && !bytes.empty()) {
    lose(bytes);
    if (!lost_after_) in_lost_line_ = bytes.back() != '\n';
  }
  in_flight_ = 0;
  in_flight_taken_ = false;
}

void LogPipe::ended() {
  const std::lock_guard lock(mutex_);
  if (in_lost_line_ && losses_) losses_->add({.lines = 1, .first = {}, .last = {}});
  in_lost_line_ = false;
}

void LogPipe::take_written(const PipeLens& lens, LogIntent& intent) {
  const std::lock_guard lock(mutex_);
  const auto bytes = static_cast<std::size_t>(intent.already_written(inode_));
  const auto buffer = intent.buffer();
  if (bytes == 0 || bytes > buffer.size() || lens.look(fd(), buffer.first(bytes)) != bytes) return;
  intent.begin({.pipe = inode_, .source = bytes});
  intent.taking();
  take(bytes, buffer.data());
  intent.end();
}

bool LogPipe::pressed(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (!may_drop_ || !losses_) return false;
  if (dropping_) return true;
  const bool waits = pipe_is_full(fd()) || (bytes_in_pipe(fd()) > 0 && writers_are_gone(fd()));
  if (!waits) {
    full_ = false;
  } else if (!full_) {
    full_ = true;
    full_since_ = now;
    full_since_wall_ = std::chrono::system_clock::now();
  }
  dropping_ = full_ && now - full_since_ >= kPatience;
  return dropping_;
}

void LogPipe::drop(LogIntent& intent) {
  const std::lock_guard lock(mutex_);
  if (!dropping_) return;          // the worker came
  std::array<char, kPiece> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  if (in_flight_ > 0 && !in_flight_taken_) {
    intent.taken_early();
    for (std::size_t left = in_flight_; left > 0;) {
      const auto count = read_some(fd(), piece.data(), std::min(left, piece.size()));
      if (count <= 0) break;
      left -= static_cast<std::size_t>(count);
    }
    in_flight_taken_ = true;
  }
  for (;;) {
    const auto count = read_some(fd(), piece.data(), piece.size());
    if (count <= 0) return;
    const std::span<const char> lost(piece.data(), static_cast<std::size_t>(count));
    lose(lost);
    lost_after_ = true;
    in_lost_line_ = lost.back() != '\n';
  }
}

void LogPipe::take(std::size_t bytes, char* into) const {
  for (std::size_t done = 0; done < bytes;) {
    const auto count = read_some(fd(), into + done, bytes - done);
    if (count <= 0) return;
    done += static_cast<std::size_t>(count);
  }
}

void LogPipe::lose(std::span<const char> bytes) {
  const auto now = std::chrono::system_clock::now();
  Loss loss;
  loss.lines = static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
  loss.bytes = bytes.size();
  loss.first = full_ ? full_since_wall_ : now;
  loss.last = now;
  loss.error = error_;
  losses_->add(loss);
}

}  // namespace dixis
