#include "daemon/logs/carrier.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <set>
#include <sys/epoll.h>
#include <system_error>
#include <utility>

#include "daemon/logs/attributed_tail.hpp"
#include "daemon/logs/pipe.hpp"

namespace dixis {
namespace {

namespace asio = boost::asio;

/// What one pipe may have carried before the others have their turn.
constexpr int kTurnPieces = 4;
/// How often a file is tried that can't be written.
constexpr std::chrono::milliseconds kRetry{100};
/// An app may write on and on while somebody waits for what it has written.
constexpr std::chrono::milliseconds kSettle{200};
constexpr std::chrono::milliseconds kFinish{800};
using Clock = std::chrono::steady_clock;

}  // namespace

/// Tells the relief that there is work, and that there is none any more.
class Carrier::Working {
 public:
  explicit Working(Carrier& carrier) : carrier_(carrier) { carrier_.relief_.worker_works(); }
  ~Working() {
    if (carrier_.ready_.empty() && !carrier_.retrying_) carrier_.relief_.worker_rests();
  }
  Working(const Working&) = delete;
  Working& operator=(const Working&) = delete;

 private:
  Carrier& carrier_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
};

Carrier::Carrier(asio::io_context& context, std::filesystem::path directory,
                 const std::filesystem::path& intent)
    : context_(context),
      directory_(std::move(directory)),
      tools_(intent),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      readiness_(context, epoll_.get()),
      retry_(context),
      relief_(tools_.intent, [this] { relief_acted(); }) {
  (void)epoll_.release();
}

void Carrier::begin() {
  const Working working(*this);
  tools_.intent.recover();
  wait();
}

// --- which pipe leads to which file ---------------------------------------------------------

std::filesystem::path Carrier::path_of(const LogSource& source, LogStream stream,
                                       const LogSettings& settings) const {
  return directory_ / log_name(settings, source.instance, stream);
}

std::shared_ptr<LogFile> Carrier::file_of(const std::string& app, const std::filesystem::path& path,
                                          const LogSettings& settings) {
  auto& file = files_[path];
  if (!file) file = std::make_shared<LogFile>(app, path, tools_);
  file->set(settings);
  tools_.retention.set(app, {settings.keep, settings.max_total});
  tools_.retention.add(app, path);
  return file;
}

void Carrier::count_pipes(const LogFile& file) const {
  const auto count = std::count_if(streams_.begin(), streams_.end(), [&](const auto& entry) {
    return entry.second->file.get() == &file;
  });
  const auto found = files_.find(file.path());
  if (found != files_.end()) found->second->set_pipes(static_cast<std::size_t>(count));
}

void Carrier::attach(Stream& stream, const LogSettings& settings) {
  const LogSource& source = stream.pipe->source();
  const auto path = path_of(source, stream.pipe->stream(), settings);
  const auto before = std::exchange(stream.file, file_of(source.app, path, settings));
  stream.pipe->report_to(stream.file->losses(), settings.when_full);
  count_pipes(*stream.file);
  if (before && before != stream.file) {
    count_pipes(*before);
    release(before);
  }
}

/// Of a file that no pipe leads to only what it owes is kept.
void Carrier::release(const std::shared_ptr<LogFile>& file) {
  const bool used = std::any_of(streams_.begin(), streams_.end(),
                                [&](const auto& entry) { return entry.second->file == file; });
  if (used) return;
  file->close();
  if (!file->losses()->owed().empty()) return;
  tools_.retention.remove(file->app(), file->path());
  files_.erase(file->path());
}

void Carrier::expect(const std::shared_ptr<LogPipe>& pipe, const LogSettings& settings) {
  pipe->report_to(std::make_shared<Losses>(), settings.when_full);
  relief_.add(pipe);
}

void Carrier::follow(const std::shared_ptr<LogPipe>& pipe, const LogSettings& settings) {
  const Working working(*this);
  const auto expected = pipe->losses();
  const auto stream = std::make_shared<Stream>();
  stream->pipe = pipe;
  const auto id = next_id_++;
  streams_[id] = stream;
  attach(*stream, settings);
  if (expected) {
    stream->file->losses()->add(expected->owed());
  } else {
    pipe->take_written(tools_.lens, tools_.intent);
    relief_.add(pipe);
  }
  stream->file->prepare();  // a failure shows at the first byte, or not at all
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;  // a line that isn't whole yet must not wake it for ever
  event.data.u64 = id;
  if (::epoll_ctl(readiness_.native_handle(), EPOLL_CTL_ADD, pipe->fd(), &event) != 0) {
    forget(stream);  // out of epoll watches or memory: nothing that a log could tell
  }
}

void Carrier::configure(const std::string& app, const LogSettings& settings) {
  const Working working(*this);
  for (const auto& [id, stream] : streams_) {
    if (stream->pipe->source().app == app) attach(*stream, settings);
  }
}

void Carrier::forget(const StreamPtr& stream) {
  relief_.remove(stream->pipe);
  std::erase_if(streams_, [&](const auto& entry) { return entry.second == stream; });
  count_pipes(*stream->file);
  release(stream->file);
}

// --- turns ----------------------------------------------------------------------------------

void Carrier::wait() {
  readiness_.async_wait(asio::posix::descriptor_base::wait_read,
                        [self = shared_from_this()](const boost::system::error_code& ended) {
                          if (!ended) self->collect();
                        });
}

void Carrier::collect() {
  std::array<epoll_event, 64> events{};
  for (;;) {
    const int count =
        ::epoll_wait(readiness_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      const auto found = streams_.find(event.data.u64);
      if (found == streams_.end()) continue;
      if ((event.events & (EPOLLHUP | EPOLLERR)) != 0) found->second->hung_up = true;
      queue(found->second);
    }
    if (count < static_cast<int>(events.size())) break;
  }
  take_turns();
  wait();
}

void Carrier::queue(const StreamPtr& stream) {
  if (std::exchange(stream->queued, true)) return;
  ready_.push_back(stream);
}

/// One turn for each that is ready. What comes after goes behind what others ask of the worker.
void Carrier::take_turns() {
  const Working working(*this);
  for (auto left = ready_.size(); left > 0; --left) {
    const auto stream = ready_.front();
    ready_.pop_front();
    stream->queued = false;
    advance(stream);
  }
  if (ready_.empty() || std::exchange(turns_posted_, true)) return;
  asio::post(context_, [self = shared_from_this()] {
    self->turns_posted_ = false;
    self->take_turns();
  });
}

void Carrier::advance(const StreamPtr& stream) {
  for (int piece = 0; piece < kTurnPieces; ++piece) {
    const Carried carried = stream->file->carry(*stream->pipe);
    stream->failing = carried == Carried::failed;
    switch (carried) {
      case Carried::moved:
      case Carried::partly:
        continue;
      case Carried::emptied:
        if (stream->hung_up) continue;  // to see that it has ended
        return;
      case Carried::nothing:
        return;
      case Carried::ended:
        return forget(stream);
      case Carried::failed:
        // What was lost of it is told by the next generation.
        if (writers_are_gone(stream->pipe->fd()) && bytes_in_pipe(stream->pipe->fd()) == 0) {
          stream->pipe->ended();
          return forget(stream);
        }
        return retry_later();
    }
  }
  queue(stream);
}

void Carrier::retry_later() {
  if (std::exchange(retrying_, true)) return;
  retry_.expires_after(kRetry);
  retry_.async_wait([self = shared_from_this()](const boost::system::error_code& ended) {
    if (ended) return;
    self->retrying_ = false;
    for (const auto& [id, stream] : self->streams_) {
      if (stream->failing) self->queue(stream);
    }
    self->take_turns();
  });
}

/// By the relief's thread. The worker may hang: it gets one message, however long that takes.
void Carrier::relief_acted() {
  if (acted_.exchange(true)) return;
  asio::post(context_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->acted_ = false;
    for (const auto& [id, stream] : self->streams_) self->queue(stream);
    self->take_turns();
  });
}

// --- what others ask ------------------------------------------------------------------------

void Carrier::carry_all(Stream& stream, Clock::time_point until) {
  do {
    const auto carried = stream.file->carry(*stream.pipe, true);
    if (carried != Carried::moved && carried != Carried::partly) return;
  } while (Clock::now() < until);
}

std::string Carrier::tail(const LogSource& source, LogStream stream, const LogSettings& settings,
                          std::size_t most) {
  const Working working(*this);
  auto path = path_of(source, stream, settings);
  for (const auto& [id, open] : streams_) {
    if (open->pipe->source() != source || open->pipe->stream() != stream) continue;
    carry_all(*open, Clock::now() + kSettle);
    path = open->file->path();
  }
  return attributed_tail(path, source, most);
}

Result<void> Carrier::flush(const std::string& app, const LogSettings& settings,
                            std::uint32_t instances) {
  const Working working(*this);
  const auto until = Clock::now() + kSettle;
  for (const auto& [id, stream] : streams_) {
    if (stream->pipe->source().app == app) carry_all(*stream, until);
  }
  std::set<std::filesystem::path> paths;
  for (std::uint32_t instance = 0; instance < instances; ++instance) {
    for (const auto stream : {LogStream::out, LogStream::err}) {
      paths.insert(path_of({app, instance, 0}, stream, settings));
    }
  }
  std::string failures;
  for (const auto& path : paths) {
    const auto file = file_of(app, path, settings);
    if (const int error = file->flush(); error != 0) {
      failures += (failures.empty() ? "" : "; ") + path.string() + ": " +
                  std::generic_category().message(error);
    }
    release(file);
  }
  if (failures.empty()) return {};
  return Error{"cannot empty the logs of " + app + ": " + failures};
}

std::size_t Carrier::reopen() {
  const Working working(*this);
  std::size_t count = 0;
  for (const auto& [path, file] : files_) {
    file->close();
    if (file->prepare() == 0) ++count;
  }
  for (const auto& [id, stream] : streams_) queue(stream);
  take_turns();
  return count;
}

void Carrier::finish() {
  const Working working(*this);
  const auto until = Clock::now() + kFinish;
  for (const auto& [id, stream] : streams_) {
    carry_all(*stream, until);
    relief_.remove(stream->pipe);
  }
  ready_.clear();
  streams_.clear();
  files_.clear();
  boost::system::error_code ignored;
  readiness_.close(ignored);
  retry_.cancel();
}

}  // namespace dixis
