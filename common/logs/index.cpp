#include "common/logs/index.hpp"

#include <algorithm>

namespace dixis::logs {
namespace {

/// Records that are read at a go, and looked at around the place that halving finds: only there
/// can some be void, because a daemon was killed or took a line back.
constexpr std::uint64_t kSlack = 170;

using Records = std::vector<LogIndexRecord>;

/// A record makes those before it void that lie at its offset or behind it.
void add(Records& records, const LogIndexRecord& record) {
  while (!records.empty() && records.back().offset >= record.offset) records.pop_back();
  records.push_back(record);
}

}  // namespace

std::optional<Index> Index::open(const std::filesystem::path& log) {
  auto file = OpenFile::open(log_index(log));
  if (!file) return std::nullopt;
  const auto whole = whole_log_index_bytes(file->read(0, kLogIndexMagic.size()), file->size());
  if (!whole) return std::nullopt;
  const std::uint64_t count = (*whole - kLogIndexMagic.size()) / kLogIndexRecordBytes;
  if (count == 0) return std::nullopt;
  return Index(std::move(*file), count);
}

Records Index::read(std::uint64_t from, std::uint64_t to) const {
  Records records;
  to = std::min(to, count_);
  if (from >= to) return records;
  const std::string bytes = file_.read(kLogIndexMagic.size() + from * kLogIndexRecordBytes,
                                       static_cast<std::size_t>(to - from) * kLogIndexRecordBytes);
  for (std::string_view rest = bytes; rest.size() >= kLogIndexRecordBytes;
       rest.remove_prefix(kLogIndexRecordBytes)) {
    records.push_back(decode_log_index(rest.substr(0, kLogIndexRecordBytes)));
  }
  return records;
}

std::uint64_t Index::partition(const std::function<bool(const LogIndexRecord&)>& before) const {
  std::uint64_t low = 0;
  std::uint64_t high = count_;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    const Records record = read(middle, middle + 1);
    if (!record.empty() && before(record.front())) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Records Index::governing(std::uint64_t begin, std::uint64_t end) const {
  const std::uint64_t behind =
      partition([&](const LogIndexRecord& record) { return record.offset <= begin; });
  Records found;
  std::uint64_t number = behind > kSlack ? behind - kSlack : 0;
  while (number < count_) {
    const Records records = read(number, number + kSlack);
    if (records.empty()) break;
    for (const auto& record : records) add(found, record);
    number += records.size();
    if (number > behind + kSlack / 2 && found.back().offset >= end) break;
  }
  // Of those at or before the beginning only the last counts.
  const auto first_behind =
      std::find_if(found.begin(), found.end(),
                   [&](const LogIndexRecord& record) { return record.offset > begin; });
  if (first_behind - found.begin() > 1) found.erase(found.begin(), first_behind - 1);
  while (!found.empty() && found.back().offset >= std::max(end, begin + 1)) found.pop_back();
  return found;
}

std::optional<LogIndexRecord> Index::first() const {
  const Records records = read(0, 1);
  if (records.empty()) return std::nullopt;
  return records.front();
}

std::optional<std::uint64_t> Index::first_since(std::uint64_t time_ms) const {
  const std::uint64_t number =
      partition([&](const LogIndexRecord& record) { return record.time_ms < time_ms; });
  const Records found = read(number, number + 1);
  if (found.empty()) return std::nullopt;
  return found.front().offset;
}

std::uint64_t Index::skip_forward(std::uint64_t offset, std::uint64_t end,
                                  const Wanted& wanted) const {
  Records found = governing(offset, offset + 1);
  if (found.empty() || wanted(found.front())) return offset;
  std::uint64_t number =
      partition([&](const LogIndexRecord& record) { return record.offset <= offset; });
  while (number < count_) {
    const Records records = read(number, number + kSlack);
    if (records.empty()) break;
    for (const auto& record : records) {
      if (record.offset > offset && wanted(record)) return std::min(record.offset, end);
    }
    number += records.size();
  }
  return end;
}

std::uint64_t Index::skip_backward(std::uint64_t offset, const Wanted& wanted) const {
  if (offset == 0) return 0;
  const Records last = governing(offset - 1, offset);
  if (last.empty() || wanted(last.front())) return offset;
  std::uint64_t number =
      partition([&](const LogIndexRecord& record) { return record.offset < offset; });
  while (number > 0) {
    const std::uint64_t from = number > kSlack ? number - kSlack : 0;
    const Records records = read(from, number);
    if (records.empty()) break;
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
      if (wanted(*record)) return offset;
      offset = std::min(offset, record->offset);
    }
    number = from;
  }
  return offset;
}

}  // namespace dixis::logs
