#include "daemon/logs/attributed_tail.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "common/log_index.hpp"
#include "daemon/logs/rotated_files.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {
namespace {

/// How far back it is looked: so much of an index, and so many files.
constexpr std::size_t kIndexBytes = kLogIndexRecordBytes * 10'000;
constexpr std::uint64_t kFiles = 3;

std::string read_end(int file, std::uint64_t from, std::uint64_t to) {
  std::string bytes(static_cast<std::size_t>(to - from), '\0');
  const ssize_t count = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(from));
  bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return bytes;
}

std::uint64_t size_of(int file) {
  struct stat facts {};
  return ::fstat(file, &facts) == 0 ? static_cast<std::uint64_t>(facts.st_size) : 0;
}

std::vector<LogIndexRecord> last_records(const std::filesystem::path& log, std::uint64_t log_size) {
  const UniqueFd file(::open(log_index(log).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return {};
  const auto size = size_of(file.get());
  std::string head = read_end(file.get(), 0, std::min<std::uint64_t>(size, kLogIndexMagic.size()));
  const auto whole = whole_log_index_bytes(head, size);
  if (!whole) return {};
  const std::uint64_t records = *whole - head.size();
  const std::uint64_t from = head.size() + (records > kIndexBytes ? records - kIndexBytes : 0);
  return parse_log_index(head + read_end(file.get(), from, *whole), log_size);
}

/// Puts what the source has in this file before `tail`, until that has `most` bytes. False: no
/// earlier file can hold more of it.
bool prepend(const std::filesystem::path& log, const LogSource& source, std::size_t most,
             std::string& tail) {
  const UniqueFd file(::open(log.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return true;
  std::uint64_t end = size_of(file.get());
  const auto records = last_records(log, end);
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    const bool of_instance = record->instance == static_cast<std::uint16_t>(source.instance) &&
                             record->origin == LogOrigin::app;
    const auto generation = static_cast<std::uint32_t>(source.generation);
    if (of_instance && record->generation == generation) {
      const std::uint64_t from =
          std::max(record->offset, end - std::min<std::uint64_t>(end, most - tail.size()));
      tail.insert(0, read_end(file.get(), from, end));
      if (tail.size() >= most) return false;
    }
    end = record->offset;
  }
  return true;
}

}  // namespace

std::string attributed_tail(const std::filesystem::path& log, const LogSource& source,
                            std::size_t most) {
  // One byte more than is asked for tells whether a line begins there.
  const std::size_t wanted = most + 1;
  std::string tail;
  if (prepend(log, source, wanted, tail)) {
    const std::uint64_t next = next_number(log);
    const std::uint64_t least = next > kFiles ? next - kFiles : 1;
    for (std::uint64_t number = next - 1; number >= least; --number) {
      if (!prepend(rotated_log(log, number), source, wanted, tail)) break;
    }
  }
  if (tail.size() < wanted) return tail;
  const auto line_end = tail.find('\n');
  if (line_end != std::string::npos && line_end + 1 < tail.size()) {
    tail.erase(0, line_end + 1);
  } else {
    tail.erase(0, 1);
  }
  return tail;
}

}  // namespace dixis
