#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "common/log_index.hpp"
#include "common/logs/open_file.hpp"

namespace dixis::logs {

/// The index of one file of a log, asked for what is needed of it: it may have a million records.
/// What is damaged in it gives wrong times at worst.
class Index {
 public:
  /// The index beside `log` (PATH or PATH.N); nothing if there is none that can be read.
  static std::optional<Index> open(const std::filesystem::path& log);

  /// The records for the bytes from `begin` to `end`: the last at or before `begin`, then those
  /// within.
  std::vector<LogIndexRecord> governing(std::uint64_t begin, std::uint64_t end) const;

  std::optional<LogIndexRecord> first() const;
  /// Where the first bytes lie that were carried at `time_ms` or later; nothing if there are none.
  std::optional<std::uint64_t> first_since(std::uint64_t time_ms) const;

  using Wanted = std::function<bool(const LogIndexRecord&)>;
  /// The first byte at `offset` or behind it whose record is wanted, or `end`. Bytes without a
  /// record are wanted.
  std::uint64_t skip_forward(std::uint64_t offset, std::uint64_t end, const Wanted& wanted) const;
  /// The same backwards: the end of the last bytes before `offset` that are wanted, or 0.
  std::uint64_t skip_backward(std::uint64_t offset, const Wanted& wanted) const;

 private:
  Index(OpenFile file, std::uint64_t count) : file_(std::move(file)), count_(count) {}

  /// Records `from` to `to` as they stand.
  std::vector<LogIndexRecord> read(std::uint64_t from, std::uint64_t to) const;
  /// The number of the first record for which `before` is false, by halving.
  std::uint64_t partition(const std::function<bool(const LogIndexRecord&)>& before) const;

  OpenFile file_;
  std::uint64_t count_;
};

}  // namespace dixis::logs
