#include "daemon/logs/index_writer.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/logs/log_place.hpp"

namespace dixis {
namespace {

/// How exact times are.
constexpr std::uint64_t kStepMs = 100;

std::optional<LogIndexRecord> read_record(int file, off_t at) {
  std::array<char, kLogIndexRecordBytes> bytes{};
  if (::pread(file, bytes.data(), bytes.size(), at) != static_cast<ssize_t>(bytes.size())) {
    return std::nullopt;
  }
  return decode_log_index({bytes.data(), bytes.size()});
}

}  // namespace

void IndexWriter::begin(std::uint64_t log_size) {
  file_.reset();
  last_.reset();
  first_time_ms_.reset();
  log_size_ = log_size;
  const auto path = log_index(log_);
  struct stat facts {};
  // Most logs of most apps stay empty: no file for them.
  if (::stat(path.c_str(), &facts) == 0) open();
}

bool IndexWriter::open() {
  if (open_log(log_index(log_), file_) != 0) return false;
  struct stat facts {};
  if (::fstat(file_.get(), &facts) != 0) {
    file_.reset();
    return false;
  }
  read_what_is_there(facts.st_size, log_size_);
  return last_ || reset();
}

/// Leaves no last record where there is nothing to go on from.
void IndexWriter::read_what_is_there(off_t size, std::uint64_t log_size) {
  std::array<char, kLogIndexMagic.size()> head{};
  const auto got = ::pread(file_.get(), head.data(), head.size(), 0);
  const auto whole = whole_log_index_bytes(
      {head.data(), got > 0 ? static_cast<std::size_t>(got) : 0}, static_cast<std::uint64_t>(size));
  constexpr auto kFirst = static_cast<off_t>(kLogIndexMagic.size());
  constexpr auto kRecord = static_cast<off_t>(kLogIndexRecordBytes);
  last_.reset();
  if (!whole || log_size == 0 || static_cast<off_t>(*whole) < kFirst + kRecord) return;
  end_ = static_cast<off_t>(*whole);
  const auto first = read_record(file_.get(), kFirst);
  const auto last = read_record(file_.get(), end_ - kRecord);
  if (!first || !last || last->offset > log_size) return;
  first_time_ms_ = first->time_ms;
  last_ = last;
}

bool IndexWriter::reset() {
  last_.reset();
  first_time_ms_.reset();
  end_ = static_cast<off_t>(kLogIndexMagic.size());
  if (::ftruncate(file_.get(), 0) == 0 &&
      ::pwrite(file_.get(), kLogIndexMagic.data(), kLogIndexMagic.size(), 0) == end_) {
    return true;
  }
  file_.reset();
  return false;
}

bool IndexWriter::was_removed() const {
  struct stat facts {};
  return ::fstat(file_.get(), &facts) != 0 || facts.st_nlink == 0;
}

void IndexWriter::note(const LogIndexRecord& record) {
  const bool due = !last_ || record.instance != last_->instance ||
                   record.generation != last_->generation || record.origin != last_->origin ||
                   record.time_ms - last_->time_ms >= kStepMs || record.offset < last_->offset;
  if (!due) return;
  if (file_ && was_removed()) file_.reset();
  log_size_ = record.offset;
  if (!file_ && !open()) return;
  const auto bytes = encode_log_index(record);
  if (::pwrite(file_.get(), bytes.data(), bytes.size(), end_) !=
      static_cast<ssize_t>(bytes.size())) {
    last_.reset();  // a torn record is written over by the next one
    return;
  }
  end_ += static_cast<off_t>(bytes.size());
  last_ = record;
  if (!first_time_ms_) first_time_ms_ = record.time_ms;
}

void IndexWriter::cut(std::uint64_t log_size) {
  log_size_ = log_size;
  if (last_ && last_->offset <= log_size && log_size > 0) return;
  if (file_) reset();
}

void IndexWriter::rotate_to(const std::filesystem::path& rotated) {
  [[maybe_unused]] const int renamed =
      std::rename(log_index(log_).c_str(), log_index(rotated).c_str());
  file_.reset();
}

}  // namespace dixis
