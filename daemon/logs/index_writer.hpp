#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <sys/types.h>

#include "common/log_index.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

/// Writes the index beside a log. Log worker; blocks on the disk. Its failures cost times and
/// attribution, and nothing else: the next record begins anew.
class IndexWriter {
 public:
  explicit IndexWriter(std::filesystem::path log) : log_(std::move(log)) {}

  /// The log is another file than before, of `log_size` bytes: records of bytes that it doesn't
  /// have are removed.
  void begin(std::uint64_t log_size);
  /// Bytes follow at `record.offset`. Writes a record where one is due: for another source, or
  /// after 100 ms.
  void note(const LogIndexRecord& record);
  /// The log was cut to `log_size`.
  void cut(std::uint64_t log_size);
  /// The log has become `rotated`; begin() comes next.
  void rotate_to(const std::filesystem::path& rotated);
  /// Lets go of the file.
  void close() { file_.reset(); }

  /// What was written last.
  const std::optional<LogIndexRecord>& last() const { return last_; }
  /// Of the log's first bytes.
  std::optional<std::uint64_t> first_time_ms() const { return first_time_ms_; }

 private:
  bool open();
  void read_what_is_there(off_t size, std::uint64_t log_size);
  bool reset();
  bool was_removed() const;

  std::filesystem::path log_;
  UniqueFd file_{};
  off_t end_ = 0;
  std::uint64_t log_size_ = 0;
  std::optional<LogIndexRecord> last_{};
  std::optional<std::uint64_t> first_time_ms_{};
};

}  // namespace dixis
