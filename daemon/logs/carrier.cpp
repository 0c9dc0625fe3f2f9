#include "daemon/logs/carrier.hpp"

#include <chrono>
#include <cstddef>
#include <sys/ioctl.h>
#include <utility>

namespace dixis {
namespace {

namespace asio = boost::asio;

/// What one app may move before the others have their turn.
constexpr std::size_t kTurnBytes = 1U << 20U;

/// How long what an app wrote waits for a file that can't be written.
constexpr std::chrono::milliseconds kPatience{1000};
constexpr std::chrono::milliseconds kRetry{100};

}  // namespace

void Carrier::follow(UniqueFd pipe, const std::filesystem::path& file) {
  auto& log = files_[file];
  if (!log) log = std::make_shared<LogFile>(file);
  log->prepare();
  auto stream = std::make_shared<Stream>(Stream{asio::posix::stream_descriptor(context_), log});
  boost::system::error_code unwatchable;
  stream->pipe.assign(pipe.get(), unwatchable);
  if (unwatchable) return;  // out of epoll watches or memory: nothing that a log could tell
  (void)pipe.release();
  streams_.push_back(stream);
  asio::co_spawn(
      context_,
      [](std::shared_ptr<Carrier> self, std::shared_ptr<Stream> owned) -> Task<void> {
        co_await self->carry(owned);
        self->forget(owned);
      }(shared_from_this(), stream),
      asio::detached);
}

Task<void> Carrier::carry(std::shared_ptr<Stream> stream) {
  asio::steady_timer pause(context_);
  for (;;) {
    boost::system::error_code closed;
    // One turn a wake-up: if there is more, this comes back at once, behind the others.
    co_await stream->pipe.async_wait(asio::posix::descriptor_base::wait_read,
                                     asio::redirect_error(asio::use_awaitable, closed));
    if (closed) co_return;
    const int fd = stream->pipe.native_handle();
    Carried carried = stream->file->carry(fd, kTurnBytes);
    if (carried == Carried::failed && stream->file->failing_for() < kPatience) {
      pause.expires_after(kRetry);
      boost::system::error_code ignored;
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      continue;
    }
    if (carried == Carried::failed) carried = stream->file->drop(fd, kTurnBytes);
    if (carried == Carried::ended) co_return;
  }
}

void Carrier::flush(Stream& stream) {
  int held = 0;
  if (!stream.pipe.is_open() || ::ioctl(stream.pipe.native_handle(), FIONREAD, &held) != 0) return;
  auto left = static_cast<std::size_t>(held);
  while (left > 0) {
    std::size_t moved = 0;
    if (stream.file->carry(stream.pipe.native_handle(), left, &moved) != Carried::moved) return;
    left -= moved;
  }
}

void Carrier::flush(const std::filesystem::path& file) {
  for (const auto& stream : streams_) {
    if (stream->file->path() == file) flush(*stream);
  }
}

void Carrier::finish() {
  for (const auto& stream : std::exchange(streams_, {})) {
    flush(*stream);
    boost::system::error_code ignored;
    stream->pipe.close(ignored);
  }
  files_.clear();
}

void Carrier::forget(const std::shared_ptr<Stream>& stream) {
  streams_.remove(stream);
  const auto found = files_.find(stream->file->path());
  if (found == files_.end()) return;
  // Held by the map and by `stream`; a line that is owed keeps it for the next generation.
  if (found->second.use_count() <= 2 && !found->second->owes_line()) files_.erase(found);
}

}  // namespace dixis
