#include "daemon/logs/capture.hpp"

#include <chrono>
#include <future>
#include <map>
#include <optional>
#include <unistd.h>
#include <utility>

#include "daemon/logs/carrier.hpp"
#include "daemon/logs/pipe.hpp"
#include "daemon/logs/printable.hpp"
#include "daemon/logs/within.hpp"

namespace dixis {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kTailBytes = 4096;
/// The disk may hang; who asks for lines may not.
constexpr std::chrono::milliseconds kAnswerLimit{500};
constexpr std::chrono::milliseconds kVerbLimit{5000};
constexpr std::chrono::milliseconds kFinishLimit{1000};
constexpr const char* kIntentFile = "logs.intent";

Error disk_hangs(const std::string& what) {
  return Error{what + ": the disk of the logs has not answered for 5 s",
               "what apps write is dropped and counted meanwhile; look at the disk"};
}

}  // namespace

struct Capture::Impl {
  Worker& worker;
  std::filesystem::path directory;
  std::shared_ptr<Carrier> carrier;
  std::map<std::pair<LogSource, LogStream>, std::weak_ptr<LogPipe>> pipes{};

  /// `fresh`: nobody has written to it yet.
  void follow(const LogSource& source, LogStream stream, const LogSettings& settings,
              UniqueFd read_end, bool fresh = false) {
    auto pipe = std::make_shared<LogPipe>(std::move(read_end), source, stream);
    if (fresh) carrier->expect(pipe, settings);
    std::erase_if(pipes, [](const auto& entry) { return entry.second.expired(); });
    pipes[{source, stream}] = pipe;
    asio::post(worker.context(), [carrier = carrier, pipe = std::move(pipe), settings] {
      carrier->follow(pipe, settings);
    });
  }
};

Capture::Capture(Worker& worker, const CapturePlaces& places)
    : impl_(std::make_shared<Impl>(Impl{worker, places.logs,
                                        std::make_shared<Carrier>(worker.context(), places.logs,
                                                                  places.runtime / kIntentFile)})) {
  asio::post(worker.context(), [carrier = impl_->carrier] { carrier->begin(); });
}

Capture::~Capture() {
  auto done = std::make_shared<std::promise<void>>();
  auto finished = done->get_future();
  asio::post(impl_->worker.context(), [carrier = impl_->carrier, done] {
    carrier->finish();
    done->set_value();
  });
  // The one time that the loop waits for the worker: it ends, and the last lines shall be written.
  finished.wait_for(kFinishLimit);
}

std::filesystem::path Capture::file(const LogSettings& settings, std::uint32_t instance,
                                    LogStream stream) const {
  return impl_->directory / log_name(settings, instance, stream);
}

Result<CaptureEnds> Capture::open(const LogSource& source, const LogSettings& settings) {
  auto out = make_app_pipe();
  if (!out) return out.error();
  auto err = make_app_pipe();
  if (!err) return err.error();
  impl_->follow(source, LogStream::out, settings, std::move(out->read_end), true);
  impl_->follow(source, LogStream::err, settings, std::move(err->read_end), true);
  return CaptureEnds{std::move(out->app_end), std::move(err->app_end)};
}

Result<void> Capture::adopt(const LogSource& source, const LogSettings& settings, int pid) {
  auto out = reopen_app_pipe(pid, STDOUT_FILENO);
  auto err = reopen_app_pipe(pid, STDERR_FILENO);
  const bool joined = out && err && out->inode == err->inode;  // 2>&1: one pipe, one carrier
  // Each for itself: a pipe of ours that nobody reads would stop the app once it is full.
  if (out) impl_->follow(source, LogStream::out, settings, std::move(out->read_end));
  if (err && !joined) impl_->follow(source, LogStream::err, settings, std::move(err->read_end));
  if (!out) return out.error();
  if (!err) return err.error();
  return {};
}

std::optional<UniqueFd> Capture::read_end(const LogSource& source, LogStream stream) const {
  const auto found = impl_->pipes.find({source, stream});
  if (found == impl_->pipes.end()) return std::nullopt;
  const auto pipe = found->second.lock();
  if (!pipe) return std::nullopt;
  auto duplicate = pipe->duplicate();
  if (!duplicate) return std::nullopt;
  return duplicate;
}

void Capture::take(const LogSource& source, LogStream stream, const LogSettings& settings,
                   UniqueFd read_end) {
  impl_->follow(source, stream, settings, std::move(read_end));
}

void Capture::configure(const std::string& app, const LogSettings& settings) {
  asio::post(impl_->worker.context(),
             [carrier = impl_->carrier, app, settings] { carrier->configure(app, settings); });
}

void Capture::set_ceiling(std::optional<std::uint64_t> bytes) {
  asio::post(impl_->worker.context(),
             [carrier = impl_->carrier, bytes] { carrier->set_ceiling(bytes); });
}

Task<std::string> Capture::last_lines(LogSource source, LogSettings settings, int lines) {
  auto read = [carrier = impl_->carrier, source, settings, lines] {
    for (const auto stream : {LogStream::err, LogStream::out}) {
      const auto tail = carrier->tail(source, stream, settings, kTailBytes);
      auto found = last_lines_of(printable(tail), lines);
      if (!found.empty()) return found;
    }
    return std::string();
  };
  auto reading = impl_->worker.run(std::move(read));
  auto text = co_await within(kAnswerLimit, std::move(reading));
  co_return std::move(text).value_or(std::string());
}

Task<Result<void>> Capture::flush(std::string app, LogSettings settings, std::uint32_t instances) {
  auto empty = [carrier = impl_->carrier, app, settings, instances] {
    return carrier->flush(app, settings, instances);
  };
  auto emptying = impl_->worker.run(std::move(empty));
  auto done = co_await within(kVerbLimit, std::move(emptying));
  if (!done) co_return disk_hangs("the logs of " + app + " are not emptied yet");
  co_return std::move(*done);
}

Task<Result<std::size_t>> Capture::reopen() {
  auto open = [carrier = impl_->carrier] { return carrier->reopen(); };
  auto opening = impl_->worker.run(std::move(open));
  const auto count = co_await within(kVerbLimit, std::move(opening));
  if (!count) co_return disk_hangs("the logs are not reopened yet");
  co_return *count;
}

}  // namespace dixis
