#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "common/logs/open_file.hpp"

namespace dixis::logs {

/// Where one zstd frame of a compressed log lies, and which bytes of the log it holds.
struct Frame {
  std::uint64_t at = 0;       ///< in the compressed file
  std::uint64_t size = 0;     ///< there
  std::uint64_t offset = 0;   ///< in the log
  std::uint64_t content = 0;  ///< bytes of the log
};

/// The frames of a compressed file, found by their headers alone. It ends where something is no
/// frame, or one whose content is unknown or more than kLargestFrame.
std::vector<Frame> find_frames(const OpenFile& file);
inline constexpr std::uint64_t kLargestFrame = std::uint64_t{64} << 20U;

/// Decompressed frames that were wanted last, so that neighbouring blocks of many readers cost one
/// decompression. Not thread-safe.
class FrameCache {
 public:
  /// The frames of `file`.
  std::shared_ptr<const std::vector<Frame>> frames_of(const OpenFile& file);
  /// The bytes of one; empty if it is damaged.
  std::shared_ptr<const std::string> content_of(const OpenFile& file, const Frame& frame);
  void clear();

 private:
  struct Table {
    std::uint64_t file = 0;
    std::uint64_t size = 0;
    std::shared_ptr<const std::vector<Frame>> frames;
  };
  struct Content {
    std::uint64_t file = 0;
    std::uint64_t at = 0;
    std::shared_ptr<const std::string> bytes;
  };
  static constexpr std::size_t kTables = 64;
  static constexpr std::size_t kContents = 4;

  std::list<Table> tables_{};
  std::list<Content> contents_{};
};

}  // namespace dixis::logs
