#include "daemon/serve/log_view.hpp"

#include <algorithm>

#include "common/json.hpp"
#include "daemon/logs/log_reading.hpp"
#include "daemon/logs/within.hpp"

namespace dixis {

namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// How often files are looked at where no event tells.
constexpr auto kLook = 1s;

/// How long a step may take, the turns of all others included. A client hears from a stream within
/// varlink::kSilenceSeconds.
constexpr auto kStepLimit = 20s;

/// Absent fields are left out of the frame.
std::string frame_of(const LogsReply& reply) {
  varlink::Reply out{std::nullopt, {}, true};
  const boost::json::value all = json::write(reply);
  for (const auto& field : all.get_object()) {
    if (!field.value().is_null()) out.parameters.emplace(field.key(), field.value());
  }
  return varlink::frame(out);
}

/// What a step brings to the loop.
struct Step {
  std::string frame{};  ///< empty: there is nothing to send
  bool more = false;
  std::optional<Clock::time_point> due{};
  std::optional<Error> error{};
};

/// One viewer. Its reader is touched by the worker alone, in one step at a time; the steps keep it
/// alive when the viewer is gone.
class LogView {
 public:
  LogView(Supervisor& supervisor, ReplyStream stream, LogRequest request)
      : supervisor_(supervisor),
        stream_(std::move(stream)),
        request_(std::move(request)),
        entered_(supervisor.log_reading().enter()) {}

  Task<Result<void>> run() {
    tell_sources(find_new());
    std::shared_ptr<LogWatch::Follower> follower;
    // Watched before it is read, so that nothing falls in between.
    if (request_.follow) follower = co_await watch();
    bool more = true;
    while (more) {
      co_await stream_.taken();
      const auto step = co_await read();
      if (step.error) co_return *step.error;
      send(step);
      stream_.keep_alive();
      more = step.more;
    }
    co_await stream_.taken();
    const auto positions = co_await tell_positions();
    send(positions);
    if (request_.follow) co_await follow(follower);
    co_return Result<void>();
  }

 private:
  using Logs = std::vector<logs::WantedLog>;

  /// Adds the logs that aren't known yet, and returns them for the reader.
  Logs find_new() {
    Logs found;
    // Another vector: the worker may still be reading from the one before.
    auto next = std::make_shared<std::vector<ShownLog>>(*sources_);
    for (auto& log : supervisor_.logs_of(request_.targets)) {
      if (request_.stream && log.stream != *request_.stream) continue;
      if (!known_.emplace(log.file, next->size()).second) continue;
      next->push_back({log.app, log.stream, log.file.string()});
      found.push_back(wanted(std::move(log)));
    }
    sources_ = std::move(next);
    return found;
  }

  logs::WantedLog wanted(AppLog log) {
    logs::WantedLog out{log.file, std::move(log.instances), {}, {}};
    if (request_.instance) out.instances = std::set<std::uint32_t>{*request_.instance};
    if (request_.lives) out.lives = (*request_.lives)[log.app];
    const auto from = request_.from.find(log.file.string());
    if (from != request_.from.end()) out.from = from->second;
    return out;
  }

  void tell_sources(Logs logs) {
    request_.query.logs = std::move(logs);
    LogsReply first;
    first.sources = *sources_;
    stream_.send_frame(frame_of(first));
  }

  Task<std::shared_ptr<LogWatch::Follower>> watch() {
    std::set<std::filesystem::path> directories;
    for (const auto& [file, number] : known_) directories.insert(file.parent_path());
    auto following = supervisor_.log_reading().watch().follow(std::move(directories));
    auto limited = bounded(std::move(following));
    co_return co_await std::move(limited);
  }

  template <class F>
  Task<Step> on_worker(F function) {
    auto work = [reader = reader_, sources = sources_,
                 function = std::move(function)](logs::FrameCache& frames) mutable {
      Step step;
      logs::Chunk chunk;
      step.more = function(*reader, frames, chunk, step.error);
      const LogsReply reply = view_of(chunk, *sources);
      if (reply.lines || reply.positions || reply.notes) step.frame = frame_of(reply);
      if (*reader) step.due = (*reader)->due();
      return step;
    };
    auto stepping = supervisor_.log_reading().step(std::move(work));
    auto limited = bounded(std::move(stepping));
    co_return co_await std::move(limited);
  }

  /// What the worker gives, or timed_out as an exception, as the end of a client is one.
  template <class T>
  Task<T> bounded(Task<T> task) {
    auto value = co_await within(kStepLimit, std::move(task));
    stream_.check();
    if (!value) throw boost::system::system_error(asio::error::timed_out);
    co_return std::move(*value);
  }

  /// Reads on in what was there at first.
  Task<Step> read() {
    auto reading = on_worker([query = std::exchange(request_.query, {}), grep = request_.grep](
                                 Reader& reader, logs::FrameCache& frames, logs::Chunk& chunk,
                                 std::optional<Error>& error) mutable {
      if (!reader && grep) {
        // Here because it may take some ms.
        auto pattern = logs::Pattern::compile(*grep);
        if (!pattern) error = pattern.error();
        if (!pattern) return false;
        query.pattern = *pattern;
      }
      if (!reader) reader.emplace(std::move(query), frames);
      return reader->step(chunk);
    });
    co_return co_await std::move(reading);
  }

  Task<Step> tell_positions() {
    auto work = [reader = reader_, sources = sources_](logs::FrameCache&) {
      LogsReply reply;
      auto& positions = reply.positions.emplace();
      for (const auto& [log, position] : (*reader)->positions()) {
        positions.push_back({(*sources)[log].file, logs::position_text(position)});
      }
      reply.following = true;
      return Step{frame_of(reply), false, {}};
    };
    auto telling = supervisor_.log_reading().step(std::move(work));
    auto limited = bounded(std::move(telling));
    co_return co_await std::move(limited);
  }

  void send(const Step& step) {
    if (!step.frame.empty()) stream_.send_frame(step.frame);
  }

  Task<void> follow(std::shared_ptr<LogWatch::Follower> follower) {
    std::set<std::size_t> touched = all();
    while (true) {
      co_await stream_.taken();
      auto reading = on_worker(
          [touched](Reader& reader, logs::FrameCache&, logs::Chunk& chunk, std::optional<Error>&) {
            auto logs = touched;
            logs.merge(reader->unfinished());
            return reader->follow(logs, chunk);
          });
      const Step step = co_await std::move(reading);
      send(step);
      stream_.keep_alive();
      if (!step.more) {
        co_await wait(follower, step.due);
        touched.clear();
      }
      take(*follower, touched);
      const bool look = !follower->watched;
      if (look || has_strangers(std::exchange(follower->created, {}))) {
        co_await add_new(*follower, touched);
      }
      if (look) {
        auto renewing = supervisor_.log_reading().watch().renew(follower);
        auto limited = bounded(std::move(renewing));
        co_await std::move(limited);
        touched = all();
      }
    }
  }

  std::set<std::size_t> all() const {
    std::set<std::size_t> logs;
    for (const auto& [file, number] : known_) logs.insert(number);
    return logs;
  }

  void take(LogWatch::Follower& follower, std::set<std::size_t>& touched) {
    if (std::exchange(follower.all_written, false)) touched = all();
    for (const auto& file : std::exchange(follower.written, {})) {
      const auto known = known_.find(file);
      if (known != known_.end()) touched.insert(known->second);
    }
  }

  /// Whether files are among these that belong to no log that is known.
  bool has_strangers(const std::set<std::filesystem::path>& files) const {
    return std::any_of(files.begin(), files.end(), [this](const std::filesystem::path& file) {
      auto log = file.extension() == ".zst" ? file.parent_path() / file.stem() : file;
      if (known_.contains(log)) return false;
      return !known_.contains(log.replace_extension());  // without the number of a rotated one
    });
  }

  /// Looks for logs of apps that are new.
  Task<void> add_new(LogWatch::Follower& follower, std::set<std::size_t>& touched) {
    Logs found = find_new();
    if (found.empty()) co_return;
    for (const auto& log : found) {
      const bool is_new = follower.directories.insert(log.file.parent_path()).second;
      if (is_new) follower.watched = false;
    }
    for (std::size_t i = 0; i < found.size(); ++i) touched.insert(sources_->size() - 1 - i);
    tell_sources({});
    auto adding = on_worker([logs = std::move(found)](Reader& reader, logs::FrameCache&,
                                                      logs::Chunk&, std::optional<Error>&) mutable {
      for (auto& log : logs) reader->add(std::move(log));
      return true;
    });
    co_await std::move(adding);
  }

  /// Waits until something was written, or a line that is held back is due.
  Task<void> wait(std::shared_ptr<LogWatch::Follower> follower,
                  std::optional<Clock::time_point> due) {
    stream_.check();
    if (!follower->idle()) co_return;
    auto until = stream_.next_heartbeat();
    if (due) until = std::min(until, *due);
    if (!follower->watched) until = std::min(until, Clock::now() + kLook);
    follower->changed.expires_at(until);
    co_await follower->changed.async_wait(asio::as_tuple(asio::use_awaitable));
    stream_.check();
    // A directory that was removed and made again may have ended its watch without a word.
    if (Clock::now() >= stream_.next_heartbeat()) follower->watched = false;
  }

  using Reader = std::optional<logs::Reader>;

  Supervisor& supervisor_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  ReplyStream stream_;
  LogRequest request_;
  std::shared_ptr<void> entered_;
  std::shared_ptr<Reader> reader_ = std::make_shared<Reader>();
  std::shared_ptr<const std::vector<ShownLog>> sources_ =
      std::make_shared<const std::vector<ShownLog>>();
  std::map<std::filesystem::path, std::size_t> known_{};
};

}  // namespace

Task<Result<void>> show_logs(Supervisor& supervisor, ReplyStream stream, LogRequest request) {
  LogView view(supervisor, std::move(stream), std::move(request));
  try {
    co_return co_await view.run();
  } catch (const boost::system::system_error& error) {
    if (error.code() != asio::error::timed_out) throw;
    co_return Error{"the logs can't be read: the disk has not answered for " +
                        std::to_string(kStepLimit.count()) + " s",
                    "look at `dmesg` and at the disks"};
  }
}

}  // namespace dixis
