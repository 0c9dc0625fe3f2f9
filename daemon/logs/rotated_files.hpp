#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

/// The rotated files of logs: which there are, and which have to go.
namespace dixis {

/// A rotated file with its index, or a log that is being written with its own.
struct KeptLog {
  std::filesystem::path log{};   ///< the log that it belongs to
  std::uint64_t number = 0;      ///< 0: it is the one that is being written
  std::uint64_t bytes = 0;       ///< on the disk, the index's included
  std::int64_t modified_ms = 0;  ///< Unix time of the last write to it
  bool compressed = false;
  bool plain = false;  ///< both for a moment, while it is being compressed
};

/// All logs in a directory, in no order. What isn't named as a log's file is left out. Blocks on
/// the disk.
std::vector<KeptLog> logs_in(const std::filesystem::path& directory);

/// What has to go so that no log in `files` has more than `keep` rotated files, and all of them
/// together have at most `most_bytes`: the oldest first. Pure.
std::vector<KeptLog> surplus(const std::vector<KeptLog>& files, std::optional<std::uint32_t> keep,
                             std::optional<std::uint64_t> most_bytes);

/// What a compressed log is called until it is whole.
std::filesystem::path unfinished_log(std::filesystem::path compressed);

/// Removes a rotated file in all its forms. Blocks on the disk.
void remove_rotated(const KeptLog& file);

/// A rotation that a kill broke off between log and index: the index follows its log.
void finish_rotation(const std::filesystem::path& log);

/// The number of the next rotated file: above all that there are.
std::uint64_t next_number(const std::filesystem::path& log);

}  // namespace dixis
