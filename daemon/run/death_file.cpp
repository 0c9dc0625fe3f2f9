#include "daemon/run/death_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "common/json.hpp"
#include "daemon/sys/fault.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {
namespace {

namespace bj = boost::json;
namespace fs = std::filesystem;

constexpr const char* kName = "deaths.jsonl";
constexpr off_t kWorthCompacting = 256 << 10;
/// Longer than any line of ours, and of any later version: what has no line end by then is damage.
constexpr std::size_t kLongestLine = 64U << 10U;
constexpr std::size_t kChunk = 1U << 20U;

Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error("", errno);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

/// Fills `out` from `offset`; fewer bytes only at the end of the file.
Result<std::size_t> read_at(int fd, off_t offset, char* out, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = ::pread(fd, out + done, size - done, offset + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error("", errno);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

/// The reason that an errno_error("") holds, behind what failed.
Error failed(const std::string& what, const Error& why) {
  return Error{what + why.message, why.hint};
}

std::string counted_lines(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " line" : " lines");
}

}  // namespace

void DeathFile::Index::add(const std::string& app, Span span) {
  auto& spans = apps[app];
  spans.push_back(span);
  ++kept;
  if (spans.size() <= kDeathsOfAnApp) return;
  spans.pop_front();
  --kept;
}

void DeathFile::Index::forget(const std::string& app) {
  const auto found = apps.find(app);
  if (found == apps.end()) return;
  kept -= found->second.size();
  apps.erase(found);
}

DeathFile::DeathFile(fs::path directory, StepHook before_step)
    : directory_(std::move(directory)),
      file_(directory_ / kName),
      before_step_(std::move(before_step)) {}

void DeathFile::step(std::string_view name) const {
  if (before_step_) before_step_(name);
}

std::vector<std::string> DeathFile::take_remarks() {
  return std::exchange(remarks_, {});
}

/// Opens it and makes sure that the index is of what lies there; an empty descriptor: there is
/// none.
Result<UniqueFd> DeathFile::open(int flags) {
  struct stat facts {};
  if (::lstat(file_.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode)) {
    remarks_.push_back(file_.string() + " is not a regular file; " + put_aside(file_));
  }
  UniqueFd fd(
      ::open(file_.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, S_IRUSR | S_IWUSR));
  if (!fd && errno == ENOENT) {
    index_ = Index();
    return fd;
  }
  if (!fd || ::fstat(fd.get(), &facts) != 0) {
    return errno_error("cannot open " + file_.string(), errno);
  }
  const bool known = index_ && index_->inode == facts.st_ino && index_->device == facts.st_dev &&
                     index_->size == facts.st_size;
  if (known) return fd;
  const auto made = make_index(fd.get());
  if (!made) return failed("cannot read " + file_.string(), made.error());
  index_->device = facts.st_dev;
  index_->inode = facts.st_ino;
  return fd;
}

Result<void> DeathFile::make_index(int fd) {
  index_.reset();
  Index index;
  std::string chunk(kChunk, '\0');
  std::string line;
  bool too_long = false;
  off_t begin = 0;  // of the line
  while (true) {
    const auto count = read_at(fd, index.size, chunk.data(), chunk.size());
    if (!count) return count.error();
    if (*count == 0) break;
    std::string_view rest(chunk.data(), *count);
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      too_long = too_long || line.size() + end > kLongestLine;
      if (!too_long) line += rest.substr(0, end);
      index.size += static_cast<off_t>(end);
      if (end == rest.size()) break;
      ++index.size;
      if (too_long) line.clear();  // it reads as damaged
      const auto length = static_cast<std::size_t>(index.size - 1 - begin);
      if (length > 0) take_line(index, {begin, length}, line);
      line.clear();
      too_long = false;
      begin = index.size;
      rest.remove_prefix(end + 1);
    }
  }
  if (begin < index.size) {  // a line without an end: the power was cut
    index.ends_clean = false;
    ++index.lines;
    ++index.damaged;
  }
  if (index.damaged > 0) {
    remarks_.push_back(counted_lines(index.damaged) + " of " + file_.string() +
                       (index.damaged == 1 ? " is" : " are") +
                       " damaged: the deaths that stood there are lost");
  }
  index_ = std::move(index);
  return {};
}

void DeathFile::take_line(Index& index, Span span, std::string_view text) {
  ++index.lines;
  const auto document = parse_document(text);
  const bj::value* app = document ? document->if_contains("app") : nullptr;
  if (app == nullptr || !app->is_string()) {
    ++index.damaged;
    return;
  }
  const std::string name(app->get_string());
  const bj::value* forgotten = document->if_contains(kForgottenField);
  if (forgotten != nullptr && forgotten->is_bool() && forgotten->get_bool()) {
    index.forget(name);
  } else {
    index.add(name, span);
  }
}

Result<void> DeathFile::sync_directory() const {
  const UniqueFd fd(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return errno_error("", errno);
  return {};
}

Result<void> DeathFile::write_lines(int fd, const std::string& text) {
  step("write");
  auto written = write_all(fd, text);
  if (!written) return written;
  step("fdatasync");
  if (::fdatasync(fd) != 0) return errno_error("", errno);
  if (index_->size > 0) return {};
  step("fsync directory");
  return sync_directory();
}

Result<void> DeathFile::append(const std::vector<DeathLine>& lines) {
  const std::string what = "cannot write " + file_.string();
  std::error_code ignored;
  if (fs::create_directories(directory_, ignored)) {
    if (::chmod(directory_.c_str(), S_IRWXU) != 0) return errno_error(what, errno);
  }
  step("open");
  const auto fd = open(O_RDWR | O_APPEND | O_CREAT);
  if (!fd) return fd.error();

  // Behind what a power cut left of a line, the next one begins on a line of its own.
  std::string text = index_->ends_clean ? "" : "\n";
  std::vector<Span> spans;
  for (const DeathLine& line : lines) {
    const std::string piece = line.text();
    spans.push_back({index_->size + static_cast<off_t>(text.size()), piece.size() - 1});
    text += piece;
  }
  const auto written = write_lines(fd->get(), text);
  if (!written) {
    // All or nothing: what is tried again must not be there twice.
    if (::ftruncate(fd->get(), index_->size) != 0) index_.reset();
    return failed(what, written.error());
  }
  index_->size += static_cast<off_t>(text.size());
  index_->ends_clean = true;
  index_->lines += lines.size();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].record) {
      index_->add(lines[i].app, spans[i]);
    } else {
      index_->forget(lines[i].app);
    }
  }
  compact_if_due(fd->get());
  return {};
}

void DeathFile::compact_if_due(int fd) {
  const bool grown = index_->lines > 2 * index_->kept && index_->size > kWorthCompacting;
  if ((!grown && index_->damaged == 0) || index_->lines <= compact_above_) return;
  const auto done = compact(fd);
  compact_above_ = done ? 0 : index_->lines + 1000;
  if (!done) {
    (void)::unlink((file_.string() + ".new").c_str());
    remarks_.push_back("cannot make " + file_.string() + " shorter" + done.error().message +
                       "; it grows meanwhile");
  }
}

/// Copies the lines that are kept, as they are: fields that this version doesn't know stay.
Result<void> DeathFile::compact(int fd) {
  const fs::path fresh = file_.string() + ".new";
  std::vector<std::pair<Span, const std::string*>> kept;
  kept.reserve(index_->kept);
  for (const auto& [app, spans] : index_->apps) {
    for (const Span& span : spans) kept.emplace_back(span, &app);
  }
  std::sort(kept.begin(), kept.end(),
            [](const auto& a, const auto& b) { return a.first.offset < b.first.offset; });

  step("compact: create");
  const UniqueFd out(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                            S_IRUSR | S_IWUSR));
  if (!out) return errno_error("", errno);
  step("compact: write");
  Index after;
  std::string chunk;
  for (const auto& [span, app] : kept) {
    const std::size_t begin = chunk.size();
    chunk.resize(begin + span.length);
    const auto count = read_at(fd, span.offset, chunk.data() + begin, span.length);
    if (!count) return count.error();
    if (*count != span.length) return Error{": it has been changed meanwhile"};
    chunk += '\n';
    after.add(*app, {after.size, span.length});
    after.size += static_cast<off_t>(span.length + 1);
    ++after.lines;
    if (chunk.size() < kChunk) continue;
    const auto written = write_all(out.get(), chunk);
    if (!written) return written.error();
    chunk.clear();
  }
  const auto written = write_all(out.get(), chunk);
  if (!written) return written.error();
  step("compact: fsync");
  if (::fsync(out.get()) != 0) return errno_error("", errno);
  struct stat facts {};
  if (::fstat(out.get(), &facts) != 0) return errno_error("", errno);
  step("compact: rename");
  fault::point("deaths-rename");
  if (std::rename(fresh.c_str(), file_.c_str()) != 0) return errno_error("", errno);
  after.device = facts.st_dev;
  after.inode = facts.st_ino;
  index_ = std::move(after);
  fault::point("deaths-renamed");
  step("compact: fsync directory");
  return sync_directory();
}

Result<std::vector<DeathRecord>> DeathFile::newest(const std::string& app, std::size_t limit,
                                                   std::optional<std::uint32_t> instance) {
  const auto fd = open(O_RDONLY);
  if (!fd) return fd.error();
  std::vector<DeathRecord> out;
  const auto found = index_->apps.find(app);
  if (!*fd || found == index_->apps.end()) return out;
  std::size_t unreadable = 0;
  std::string text;
  for (auto span = found->second.rbegin(); span != found->second.rend(); ++span) {
    if (out.size() == limit) break;
    text.resize(span->length);
    const auto count = read_at(fd->get(), span->offset, text.data(), text.size());
    if (!count) return failed("cannot read " + file_.string(), count.error());
    const auto document = parse_document(text);
    DeathRecord record;
    if (!document || !json::read(bj::value(*document), record)) {
      ++unreadable;
      continue;
    }
    if (!instance || record.instance == *instance) out.push_back(std::move(record));
  }
  if (unreadable > 0) {
    remarks_.push_back(counted_lines(unreadable) + " of " + file_.string() + " about " + app +
                       " can't be told: damaged, or of a newer version of dixis");
  }
  return out;
}

}  // namespace dixis
