#include "daemon/run/death_archive.hpp"

#include <algorithm>
#include <deque>
#include <exception>
#include <stdexcept>
#include <utility>

#include <spdlog/spdlog.h>

#include "daemon/logs/within.hpp"
#include "daemon/run/death_file.hpp"
#include "daemon/run/death_line.hpp"
#include "daemon/run/notifier.hpp"

namespace dixis {
namespace {

namespace asio = boost::asio;

/// What a disk that takes nothing leaves in memory; the oldest goes first.
constexpr std::size_t kQueued = 4000;

/// What was appended and isn't durable yet.
struct Queued {
  std::uint64_t number = 0;
  DeathLine line{};
};

/// The worker's side.
struct Shelf {
  Shelf(std::filesystem::path directory, StepHook hook)
      : file(std::move(directory), std::move(hook)) {}
  DeathFile file;
  std::uint64_t durable = 0;  ///< the number of the last one that is
};

struct Written {
  Result<void> result{};
  std::vector<std::string> remarks{};
};

struct Found {
  Result<std::vector<DeathRecord>> records{std::vector<DeathRecord>()};
  std::uint64_t durable = 0;
  std::vector<std::string> remarks{};
};

void warn(const std::vector<std::string>& remarks) {
  for (const std::string& remark : remarks) spdlog::warn("{}", remark);
}

}  // namespace

struct DeathArchive::Impl : std::enable_shared_from_this<Impl> {
  Impl(asio::any_io_executor executor, Worker& state_worker, std::filesystem::path directory,
       Options given)
      : loop(std::move(executor)),
        worker(state_worker),
        options(std::move(given)),
        shelf(std::make_shared<Shelf>(std::move(directory), options.before_step)),
        retry(loop) {}

  void push(DeathLine line);
  void drop_oldest(const std::string& app);
  void start_writing();
  Task<void> write_all();
  Task<Written> write(std::vector<DeathLine> lines, std::uint64_t last);
  Task<Found> look(std::string app, std::size_t limit, std::optional<std::uint32_t> instance);
  void note_failure(const Error& error);
  void note_success(std::uint64_t last);
  void try_again_later();

  asio::any_io_executor loop;
  Worker& worker;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  Options options;
  std::shared_ptr<Shelf> shelf;  ///< touched on the worker only
  std::deque<Queued> queue{};
  std::uint64_t last_number = 0;
  bool writing = false;
  bool broken = false;   ///< the last write failed
  std::size_t lost = 0;  ///< didn't fit into the queue
  Notifier settled{};
  asio::steady_timer retry;
  std::weak_ptr<Found> overdue{};  ///< of a read that the disk hasn't answered in time
};

void DeathArchive::Impl::push(DeathLine line) {
  const std::string app = line.app;
  queue.push_back({++last_number, std::move(line)});
  const auto of_app = std::count_if(queue.begin(), queue.end(),
                                    [&](const Queued& each) { return each.line.app == app; });
  if (static_cast<std::size_t>(of_app) > kDeathsOfAnApp) {
    drop_oldest(app);  // the file would not keep it either
  } else if (queue.size() > kQueued) {
    queue.pop_front();
    ++lost;
  }
  start_writing();
}

void DeathArchive::Impl::drop_oldest(const std::string& app) {
  const auto found = std::find_if(queue.begin(), queue.end(),
                                  [&](const Queued& each) { return each.line.app == app; });
  if (found != queue.end()) queue.erase(found);
}

void DeathArchive::Impl::start_writing() {
  if (writing || queue.empty()) return;
  writing = true;
  asio::co_spawn(
      loop,
      [](std::shared_ptr<Impl> self) -> Task<void> {
        co_await self->write_all();
      }(shared_from_this()),
      asio::detached);
}

/// Writes until nothing is left or the disk refuses; all that has come meanwhile goes together.
Task<void> DeathArchive::Impl::write_all() {
  while (!queue.empty()) {
    const std::uint64_t last = queue.back().number;
    std::vector<DeathLine> lines;
    lines.reserve(queue.size());
    for (const Queued& each : queue) lines.push_back(each.line);
    const Written written = co_await write(std::move(lines), last);
    warn(written.remarks);
    if (!written.result) {
      note_failure(written.result.error());
      break;
    }
    note_success(last);
  }
  writing = false;
  settled.notify_all();
}

Task<Written> DeathArchive::Impl::write(std::vector<DeathLine> lines, std::uint64_t last) {
  auto work = [where = shelf, batch = std::move(lines), last] {
    Written written;
    written.result = where->file.append(batch);
    if (written.result) where->durable = last;
    written.remarks = where->file.take_remarks();
    return written;
  };
  try {
    co_return co_await worker.run(std::move(work));
  } catch (const std::exception& failure) {
    co_return Written{Error{std::string("cannot write deaths: ") + failure.what()}, {}};
  }
}

void DeathArchive::Impl::note_failure(const Error& error) {
  if (!std::exchange(broken, true)) {
    spdlog::warn("{}: deaths are kept in memory until it can be written", error.message);
  }
  try_again_later();
}

void DeathArchive::Impl::note_success(std::uint64_t last) {
  while (!queue.empty() && queue.front().number <= last) queue.pop_front();
  if (std::exchange(broken, false)) spdlog::info("deaths can be written again");
  if (lost > 0) {
    spdlog::warn("{} deaths are not kept: they came faster than they could be written",
                 std::exchange(lost, 0));
  }
}

void DeathArchive::Impl::try_again_later() {
  retry.expires_after(options.retry_after);
  retry.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self) self->start_writing();
  });
}

DeathArchive::DeathArchive(asio::any_io_executor loop, Worker& worker,
                           std::filesystem::path state_directory)
    : DeathArchive(std::move(loop), worker, std::move(state_directory), Options()) {}

DeathArchive::DeathArchive(asio::any_io_executor loop, Worker& worker,
                           std::filesystem::path state_directory, Options options)
    : impl_(std::make_shared<Impl>(std::move(loop), worker, std::move(state_directory),
                                   std::move(options))) {}

DeathArchive::~DeathArchive() {
  impl_->retry.cancel();
}

void DeathArchive::append(DeathRecord record) {
  record = bounded_death(std::move(record));
  std::string app = record.app;
  impl_->push({std::move(app), std::move(record)});
}

void DeathArchive::forget(std::string app) {
  auto& queue = impl_->queue;
  std::erase_if(queue, [&](const Queued& each) { return each.line.app == app; });
  impl_->push({std::move(app), std::nullopt});
}

/// Asks the worker. Who comes while the disk still owes an answer doesn't wait for it once more.
Task<Found> DeathArchive::Impl::look(std::string app, std::size_t limit,
                                     std::optional<std::uint32_t> instance) {
  if (overdue.expired()) {
    const auto answer = std::make_shared<Found>();
    auto work = [where = shelf, answer, app, limit, instance] {
      answer->records = where->file.newest(app, limit, instance);
      answer->durable = where->durable;
      answer->remarks = where->file.take_remarks();
      return answer;
    };
    auto reading = worker.run(std::move(work));
    const auto in_time = co_await within(options.limit, std::move(reading));
    if (in_time) co_return **in_time;
    overdue = answer;
  }
  Found none;
  none.records = Error{"cannot read the deaths of " + app + ": the disk has not answered within " +
                           std::to_string(options.limit.count()) + " ms",
                       "see dmesg for errors of the disk"};
  co_return none;
}

Task<Result<std::vector<DeathRecord>>> DeathArchive::read(std::string app, std::size_t limit,
                                                          std::optional<std::uint32_t> instance) {
  const auto impl = impl_;
  limit = std::min(limit, kDeathsOfAnApp);
  impl->start_writing();

  std::vector<Queued> queued;
  bool forgotten = false;
  for (auto each = impl->queue.rbegin(); each != impl->queue.rend() && !forgotten; ++each) {
    if (each->line.app != app) continue;
    forgotten = !each->line.record;
    const bool wanted =
        each->line.record && (!instance || each->line.record->instance == *instance);
    if (wanted && queued.size() < limit) queued.push_back(*each);
  }
  Found found;
  if (!forgotten && queued.size() < limit) {
    found = co_await impl->look(app, limit, instance);
    warn(found.remarks);
  }

  std::vector<DeathRecord> out;
  for (Queued& each : queued) {
    // What became durable before the worker read is among what it read.
    if (each.number > found.durable) out.push_back(std::move(*each.line.record));
  }
  if (!found.records && out.empty()) co_return found.records.error();
  if (found.records) {
    for (DeathRecord& record : *found.records) {
      if (out.size() < limit) out.push_back(std::move(record));
    }
  }
  co_return out;
}

Task<void> DeathArchive::flush() {
  const auto impl = impl_;
  impl->start_writing();
  const auto deadline = std::chrono::steady_clock::now() + impl->options.limit;
  while (impl->writing) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) break;
    co_await impl->settled.wait(left);
  }
  if (!impl->queue.empty()) {
    spdlog::warn("deaths that could not be written are lost when the daemon ends: {}",
                 impl->queue.size());
  }
}

}  // namespace dixis
