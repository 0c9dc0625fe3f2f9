#include "daemon/logs/log_file.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/logs/log_place.hpp"
#include "daemon/logs/pipe.hpp"
#include "daemon/logs/text_format.hpp"

namespace dixis {
namespace {

/// What is moved at once, unless a single line is longer.
constexpr std::size_t kPieceBytes = std::size_t{256} << 10U;
/// What that may become with `format: text`.
constexpr std::size_t kTextBytes = std::size_t{512} << 10U;

std::uint64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

/// Up to and with the first newline, or all.
std::size_t first_line(std::span<const char> bytes) {
  const auto newline = std::find(bytes.begin(), bytes.end(), '\n');
  return static_cast<std::size_t>(newline - bytes.begin()) + (newline == bytes.end() ? 0 : 1);
}

/// Up to and with the last newline; 0 if there is none.
std::size_t whole_lines(std::span<const char> bytes) {
  const auto newline = std::find(bytes.rbegin(), bytes.rend(), '\n');
  return static_cast<std::size_t>(bytes.rend() - newline);
}

}  // namespace

// --- finding the file -----------------------------------------------------------------------

int LogFile::locate() {
  struct stat facts {};
  const bool same = file_ && ::stat(path_.c_str(), &facts) == 0 && facts.st_dev == device_ &&
                    facts.st_ino == inode_;
  if (!same) return open();
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  if (size == end_) return 0;
  if (size < end_) index_.cut(size);
  end_ = size;
  find_line_state();
  writer_.reset();  // somebody else was here
  return 0;
}

int LogFile::open() {
  close();
  struct stat facts {};
  if (::lstat(path_.c_str(), &facts) != 0 && errno == ENOENT) finish_rotation(path_);
  if (const int error = open_log(path_, file_); error != 0) return error;
  if (::fstat(file_.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
    file_.reset();
    return EINVAL;
  }
  device_ = facts.st_dev;
  inode_ = facts.st_ino;
  end_ = static_cast<std::uint64_t>(facts.st_size);
  index_.begin(end_);
  find_line_state();
  writer_ = index_.last();
  return 0;
}

void LogFile::close() {
  file_.reset();
  index_.close();
}

void LogFile::find_line_state() {
  char last = '\n';
  line_open_ =
      end_ > 0 && ::pread(file_.get(), &last, 1, static_cast<off_t>(end_ - 1)) == 1 && last != '\n';
}

bool LogFile::belongs_to(const LogPipe& pipe) const {
  return writer_ && writer_->origin == LogOrigin::app &&
         writer_->instance == static_cast<std::uint16_t>(pipe.source().instance) &&
         writer_->generation == static_cast<std::uint32_t>(pipe.source().generation);
}

int LogFile::flush() {
  if (const int error = locate(); error != 0) return error;
  if (::ftruncate(file_.get(), 0) != 0) return errno;
  end_ = 0;
  line_open_ = false;
  writer_.reset();
  index_.cut(0);
  losses_->settle(losses_->owed());
  Retention::remove_all(path_);
  return 0;
}

// --- rotation -------------------------------------------------------------------------------

std::uint64_t LogFile::room() const {
  return settings_.max_size > end_ ? settings_.max_size - end_ : 0;
}

bool LogFile::too_old() const {
  const auto first = index_.first_time_ms();
  if (!settings_.max_age || !first) return false;
  return now_ms() >= *first + static_cast<std::uint64_t>(settings_.max_age->count());
}

bool LogFile::rotate() {
  if (!next_number_) next_number_ = next_number(path_);
  const auto rotated = rotated_log(path_, *next_number_);
  if (std::rename(path_.c_str(), rotated.c_str()) != 0) return false;
  index_.rotate_to(rotated);
  ++*next_number_;
  const bool opened = open() == 0;
  tools_.retention.tidy(app_);
  return opened;
}

// --- from the pipe to a piece ---------------------------------------------------------------

/// What of the pipe's head can be written now.
LogFile::Head LogFile::look(LogPipe& pipe, bool all) {
  const bool whole_only =
      !all && (pipes_ > 1 || settings_.several || settings_.format == LogSettings::Format::text);
  const auto buffer = tools_.intent.buffer();
  Head head;
  for (std::size_t size = kPieceBytes;; size = buffer.size()) {
    head.seen = buffer.first(pipe.look(tools_.lens, buffer.first(size)));
    head.lines = head.seen.first(whole_lines(head.seen));
    if (!head.lines.empty()) return head;
    if (writers_are_gone(pipe.fd())) {
      // What is seen now is all there will be.
      head.seen = buffer.first(pipe.look(tools_.lens, buffer.first(size)));
      head.lines = head.seen;
      head.ended = head.seen.empty();
      return head;
    }
    // A line that is longer than the pipe can't be waited for.
    const bool longest = head.seen.size() == buffer.size() ||
                         (!head.seen.empty() && head.seen.size() < size && pipe_is_full(pipe.fd()));
    if (!whole_only || longest) head.lines = head.seen;
    if (!whole_only || longest || head.seen.size() < size) return head;
  }
}

LogFile::Piece LogFile::piece_of(const LogPipe& pipe, std::span<const char> bytes) {
  Piece piece;
  piece.told = losses_->owed();
  const bool text = settings_.format == LogSettings::Format::text;
  const bool at_line_start = !line_open_ || !belongs_to(pipe) || !piece.told.empty();
  const bool fits = first_line(bytes) <= room() || end_ == 0;
  const bool endless = !at_line_start && room() == 0 && end_ > settings_.max_size + kPipeBytes;
  if (endless || (at_line_start && end_ > 0 && (!fits || too_old()))) rotate();
  if (line_open_ && at_line_start) piece.own.push_back('\n');
  if (!piece.told.empty()) piece.own += gap_line(piece.told);
  if (text) {
    shape_text(piece, pipe, bytes, at_line_start);
  } else {
    shape_raw(piece, bytes, at_line_start);
  }
  return piece;
}

void LogFile::shape_raw(Piece& piece, std::span<const char> bytes, bool at_line_start) {
  std::size_t size = bytes.size();
  const auto most = room();
  if (size > most) {
    size = whole_lines(bytes.first(static_cast<std::size_t>(most)));
    // One line goes in, however long; so does the rest of one that has begun here.
    if (size == 0 || !at_line_start) size = std::max(size, first_line(bytes));
  }
  piece.source = size;
  piece.bytes = bytes.first(size);
}

void LogFile::shape_text(Piece& piece, const LogPipe& pipe, std::span<const char> bytes,
                         bool at_line_start) {
  const auto prefix =
      text_prefix(std::chrono::system_clock::now(), pipe.source().instance, pipe.stream());
  text_.clear();
  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(room(), kTextBytes));
  piece.source = add_prefixes(bytes, prefix, at_line_start, most, text_);
  if (piece.source == 0 && !bytes.empty()) {
    const auto line = bytes.first(first_line(bytes));
    piece.source = add_prefixes(line, prefix, at_line_start, text_.max_size(), text_);
  }
  piece.bytes = text_;
}

// --- from the piece to the file -------------------------------------------------------------

Carried LogFile::carry(LogPipe& pipe, bool all) {
  if (const int error = locate(); error != 0) {
    pipe.not_written({}, error);
    return after(error);
  }
  const Head head = look(pipe, all);
  if (head.lines.empty()) {
    pipe.not_written(head.seen, 0);
    if (head.ended) pipe.ended();
    if (losses_->owed().empty()) {
      pipe.relieved();
      return head.ended ? Carried::ended : Carried::nothing;
    }
  }
  const Piece piece = piece_of(pipe, head.lines);
  const bool all_seen = piece.source == head.seen.size() && piece.source < kPieceBytes;
  const auto written = write(pipe, piece, head.lines.empty() ? head.lines : head.seen);
  return written == Carried::moved && all_seen ? Carried::emptied : written;
}

void LogFile::note(const LogPipe& pipe, const Piece& piece) {
  LogIndexRecord record;
  record.offset = end_;
  record.time_ms = now_ms();
  record.generation = static_cast<std::uint32_t>(pipe.source().generation);
  record.instance = static_cast<std::uint16_t>(pipe.source().instance);
  if (!piece.own.empty()) {
    record.origin = LogOrigin::dixis;
    index_.note(record);
    record.offset += piece.own.size();
    record.origin = LogOrigin::app;
  }
  if (!piece.bytes.empty()) index_.note(record);
}

Carried LogFile::write(LogPipe& pipe, const Piece& piece, std::span<const char> seen) {
  if (!file_) {  // it was rotated, and a new one can't be made
    pipe.not_written(seen, locate());
    return Carried::failed;
  }
  note(pipe, piece);
  const std::size_t size = piece.own.size() + piece.bytes.size();
  pipe.begin(tools_.intent, {pipe.inode(), path_, device_, inode_, end_, size, piece.source}, seen);
  std::size_t done = 0;
  while (done < size) {
    const std::size_t own = std::min(done, piece.own.size());
    const auto rest = piece.bytes.subspan(done - own);
    // writev(2) takes what it doesn't change as not const.
    const iovec parts[2] = {{const_cast<char*>(piece.own.data()) + own, piece.own.size() - own},
                            {const_cast<char*>(rest.data()), rest.size()}};
    const ssize_t count = ::pwritev(file_.get(), parts, 2, static_cast<off_t>(end_ + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return cut_short(pipe, piece, done, count < 0 ? errno : EIO);
    done += static_cast<std::size_t>(count);
  }
  arrived(pipe, piece, size);
  return Carried::moved;
}

/// Whole lines that arrived stay; the rest is taken back, and stays in the pipe.
Carried LogFile::cut_short(LogPipe& pipe, const Piece& piece, std::size_t written, int error) {
  const auto source = std::span<const char>(tools_.intent.buffer()).first(piece.source);
  Piece part;
  part.told = piece.told;
  if (settings_.format == LogSettings::Format::raw && written > piece.own.size()) {
    part.source = whole_lines(source.first(written - piece.own.size()));
  }
  const std::uint64_t kept = part.source > 0 ? piece.own.size() + part.source : 0;
  if (::ftruncate(file_.get(), static_cast<off_t>(end_ + kept)) != 0) close();
  if (part.source > 0) {
    pipe.begin(tools_.intent, {pipe.inode(), path_, device_, inode_, end_, kept, part.source},
               source);
    arrived(pipe, part, static_cast<std::size_t>(kept));
    return Carried::partly;
  }
  pipe.not_written(source, error);
  tools_.intent.end();
  return after(error);
}

/// On a full disk the oldest rotated file of the app makes room.
Carried LogFile::after(int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return full && tools_.retention.free_oldest(app_) ? Carried::partly : Carried::failed;
}

void LogFile::arrived(LogPipe& pipe, const Piece& piece, std::size_t written) {
  const auto source = std::span<const char>(tools_.intent.buffer()).first(piece.source);
  if (piece.source > 0) {
    line_open_ = source.back() != '\n';
    writer_ = LogIndexRecord{.generation = static_cast<std::uint32_t>(pipe.source().generation),
                             .instance = static_cast<std::uint16_t>(pipe.source().instance)};
  } else {
    line_open_ = false;
  }
  end_ += written;
  losses_->settle(piece.told);
  pipe.written(tools_.intent);
}

}  // namespace dixis
