#include "daemon/logs/losses.hpp"

#include <algorithm>
#include <system_error>

#include "daemon/sys/clock.hpp"

namespace dixis {
namespace {

std::string counted(std::uint64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

}  // namespace

std::string gap_line(const Loss& loss) {
  const std::string why = loss.error == 0 ? "the disk is too slow, or hangs"
                                          : std::generic_category().message(loss.error);
  return "[dixis] " + counted(loss.lines, "line", "lines") + " (" +
         counted(loss.bytes, "byte", "bytes") + ") were lost between " +
         format_wall_clock(loss.first) + " and " + format_wall_clock(loss.last) + ": " + why + "\n";
}

void Losses::add(const Loss& loss) {
  const std::lock_guard lock(mutex_);
  owed_.lines += loss.lines;
  if (loss.bytes == 0) return;
  owed_.first = owed_.bytes == 0 ? loss.first : std::min(owed_.first, loss.first);
  owed_.last = std::max(owed_.last, loss.last);
  owed_.bytes += loss.bytes;
  owed_.error = loss.error;
}

Loss Losses::owed() const {
  const std::lock_guard lock(mutex_);
  return owed_;
}

void Losses::settle(const Loss& told) {
  const std::lock_guard lock(mutex_);
  owed_.lines -= told.lines;
  owed_.bytes -= told.bytes;
  if (!owed_.empty()) owed_.first = told.last;
}

}  // namespace dixis
