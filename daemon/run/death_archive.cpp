#include "daemon/run/death_archive.hpp"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <sys/stat.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include "common/json.hpp"
#include "common/utf8.hpp"
#include "daemon/run/document.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

namespace {

namespace asio = boost::asio;
namespace bj = boost::json;
namespace fs = std::filesystem;

constexpr std::size_t kKeptOfApp = 50;
constexpr std::size_t kMostBytes = 8U << 10U;   // of one death
constexpr std::uintmax_t kSmall = 256U << 10U;  // not worth a compaction
constexpr std::size_t kMostWaiting = 1000;      // deaths in memory while the disk takes none

/// A line of the file: a document of its own, so that a cut or damaged one is known.
std::string to_line(DeathRecord record) {
  for (auto& line : record.last_lines) line = valid_utf8(std::move(line));
  std::string text;
  do {
    bj::object document = json::write(record).get_object();
    document["version"] = 1;
    text = document_text(std::move(document));
    // The oldest lines are the least telling.
    if (text.size() > kMostBytes && !record.last_lines.empty()) {
      record.last_lines.erase(record.last_lines.begin());
    } else {
      break;
    }
  } while (true);
  return text;
}

std::optional<DeathRecord> from_line(const std::string& line) {
  const auto document = parse_document(line);
  DeathRecord record;
  if (!document || !json::read(bj::value(*document), record)) return std::nullopt;
  return record;
}

/// All that can be read, oldest first.
std::vector<std::string> read_lines(const fs::path& file) {
  std::vector<std::string> out;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) out.push_back(std::move(line));
  return out;
}

Result<void> write_all(int fd, std::string_view text, const std::string& what) {
  while (!text.empty()) {
    const auto size = ::write(fd, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno_error(what, errno);
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

/// Keeps the newest of each app, in a new file that replaces the old one. Worker only.
Result<void> compact(const fs::path& file) {
  const auto lines = read_lines(file);
  std::map<std::string, std::size_t> kept;
  std::deque<std::string> out;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    const auto record = from_line(*line);
    if (record && ++kept[record->app] <= kKeptOfApp) out.push_front(*line + "\n");
  }
  std::string text;
  for (const auto& line : out) text += line;
  const fs::path fresh = file.string() + ".new";
  if (const auto written = write_document_file(fresh, text, true); !written) return written;
  const std::string what = "cannot replace " + file.string();
  if (::rename(fresh.c_str(), file.c_str()) != 0) return errno_error(what, errno);
  const UniqueFd directory(::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) return errno_error(what, errno);
  return {};
}

/// Appends with one write, and has it on the disk when it returns. Worker only.
Result<void> append_lines(const fs::path& file, const std::string& text) {
  const std::string what = "cannot write " + file.string();
  std::error_code ignored;
  fs::create_directories(file.parent_path(), ignored);
  const UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
                           S_IRUSR | S_IWUSR));
  if (!fd) return errno_error(what, errno);
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return errno_error(what, errno);
  // A line that a power cut has torn must not swallow the next one.
  char last = '\n';
  if (facts.st_size > 0 && ::pread(fd.get(), &last, 1, facts.st_size - 1) != 1) last = '\0';
  const auto written = write_all(fd.get(), (last == '\n' ? "" : "\n") + text, what);
  if (!written) {
    // Half a line would be damage; without room even this may fail, and then it is skipped later.
    [[maybe_unused]] const int undone = ::ftruncate(fd.get(), facts.st_size);
    return written;
  }
  if (::fdatasync(fd.get()) != 0) return errno_error(what, errno);
  return {};
}

/// Grows by at most as much as it holds until it is made small again.
std::uintmax_t next_compaction(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  return std::max(kSmall, error ? 0 : 2 * size);
}

}  // namespace

struct DeathArchive::Impl : std::enable_shared_from_this<DeathArchive::Impl> {
  Impl(asio::io_context& context, Worker& on, const fs::path& directory)
      : loop(context), worker(on), file(directory / "deaths.jsonl") {}

  Task<void> write();

  asio::io_context& loop;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  Worker& worker;          // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  fs::path file;
  std::deque<DeathRecord> waiting{};  ///< not on the disk yet, oldest first
  bool writing = false;
  bool warned = false;
  std::uintmax_t compact_at = 0;
};

/// Writes what waits, all at once, until nothing waits or the disk refuses.
Task<void> DeathArchive::Impl::write() {
  const auto self = shared_from_this();
  co_await asio::post(asio::use_awaitable);  // what dies in the same turn goes along
  while (!waiting.empty()) {
    const std::size_t count = waiting.size();
    const std::vector<DeathRecord> batch(waiting.begin(), waiting.end());
    auto work = [file = file, batch, limit = compact_at]() -> Result<std::uintmax_t> {
      std::string text;
      for (const auto& record : batch) text += to_line(record);
      if (const auto done = append_lines(file, text); !done) return done.error();
      std::error_code error;
      if (limit == 0) return next_compaction(file);
      if (fs::file_size(file, error) <= limit || error) return limit;
      if (const auto small = compact(file); !small) return small.error();
      return next_compaction(file);
    };
    const auto written = co_await worker.run(std::move(work));
    if (!written) {
      if (!std::exchange(warned, true)) {
        spdlog::warn("deaths are only remembered until dixisd ends: {}", written.error().message);
      }
      break;
    }
    warned = false;
    compact_at = *written;
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(count));
  }
  writing = false;
}

DeathArchive::DeathArchive(asio::io_context& loop, Worker& worker, const fs::path& state_directory)
    : impl_(std::make_shared<Impl>(loop, worker, state_directory)) {}
DeathArchive::~DeathArchive() = default;

void DeathArchive::append(DeathRecord record) {
  impl_->waiting.push_back(std::move(record));
  if (impl_->waiting.size() > kMostWaiting && !impl_->writing) impl_->waiting.pop_front();
  if (std::exchange(impl_->writing, true)) return;
  asio::co_spawn(impl_->loop, impl_->write(), asio::detached);
}

Task<std::vector<DeathRecord>> DeathArchive::read(std::string app, std::size_t limit) {
  const auto impl = impl_;
  // What is being written is in both places: the file's word comes first then.
  auto work = [file = impl->file, app] {
    std::vector<DeathRecord> out;
    for (const auto& line : read_lines(file)) {
      if (line.find(app) == std::string::npos) continue;
      auto record = from_line(line);
      if (record && record->app == app) out.push_back(std::move(*record));
    }
    return out;
  };
  auto out = co_await impl->worker.run(std::move(work));
  for (const auto& record : impl->waiting) {
    if (record.app == app) out.push_back(record);
  }
  std::reverse(out.begin(), out.end());
  if (out.size() > limit) out.resize(limit);
  co_return out;
}

}  // namespace dixis
