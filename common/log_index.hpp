#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The files of a log and the format of the index beside each: what the daemon writes and both
/// sides read. Pure.
///
/// PATH is written now. PATH.N is rotated, N growing by one for ever; it may have become PATH.N.zst
/// (zstd frames of 4 MiB of lines each). Beside each lies PATH.index or PATH.N.index. A missing or
/// damaged index costs times and attribution, never lines.
namespace dixis {

/// What a record's bytes are.
enum class LogOrigin : std::uint16_t {
  app = 0,    ///< carried from an app
  dixis = 1,  ///< a line of the daemon's own, such as one that says how many were lost
};

/// From `offset` on, until the next record, the file's bytes were carried at or after `time_ms` for
/// this generation. It is written before the bytes are; of two with the same offset the last
/// counts.
struct LogIndexRecord {
  std::uint64_t offset = 0;
  std::uint64_t time_ms = 0;  ///< Unix time
  std::uint32_t generation = 0;
  std::uint16_t instance = 0;
  LogOrigin origin = LogOrigin::app;

  bool operator==(const LogIndexRecord&) const = default;
};

/// A file begins with these 8 bytes; records of 24 bytes follow (little endian: u64, u64, u32, u16,
/// u16).
inline constexpr std::string_view kLogIndexMagic = "dixisix1";
inline constexpr std::size_t kLogIndexRecordBytes = 24;
/// Input of one frame of a compressed log: a reader decompresses at most so much to find a line.
inline constexpr std::size_t kLogFrameBytes = std::size_t{4} << 20U;

std::array<char, kLogIndexRecordBytes> encode_log_index(const LogIndexRecord& record);

/// `bytes` are kLogIndexRecordBytes.
LogIndexRecord decode_log_index(std::string_view bytes);

/// How many of a file's bytes are magic and whole records: a kill may have torn the last one.
/// `head` is its beginning, `size` its length. Nothing if it is no index.
std::optional<std::uint64_t> whole_log_index_bytes(std::string_view head, std::uint64_t size);

/// All whole records of an index whose log has `log_size` bytes. Those beyond its end are left out,
/// also all of an index that is damaged.
std::vector<LogIndexRecord> parse_log_index(std::string_view file, std::uint64_t log_size);

/// PATH.N, its compressed form, and the index of a log (PATH or PATH.N).
std::filesystem::path rotated_log(const std::filesystem::path& log, std::uint64_t number);
std::filesystem::path compressed_log(const std::filesystem::path& rotated);
std::filesystem::path log_index(const std::filesystem::path& log);

/// A file of a log, as its name tells.
struct RotatedName {
  std::uint64_t number = 0;
  bool compressed = false;
  bool index = false;

  bool operator==(const RotatedName&) const = default;
};

/// What `name` is to the log called `log` (both without directories); nothing if it is none of its
/// rotated files.
std::optional<RotatedName> parse_rotated_name(std::string_view log, std::string_view name);

}  // namespace dixis
