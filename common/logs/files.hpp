#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/logs/frames.hpp"
#include "common/logs/open_file.hpp"

namespace dixis::logs {

/// A place in a log that stays the same over rotation and compression: the file's number, that of
/// the file written now being the next one, and the offset among its uncompressed bytes.
struct Position {
  std::uint64_t number = 0;
  std::uint64_t offset = 0;
  std::uint64_t identity = 0;  ///< of the file; tells the one written now before it has its number

  /// By place alone.
  friend std::strong_ordering operator<=>(const Position& a, const Position& b) {
    if (a.number != b.number) return a.number <=> b.number;
    return a.offset <=> b.offset;
  }
  friend bool operator==(const Position& a, const Position& b) {
    return a.number == b.number && a.offset == b.offset;
  }
};

/// As it travels: "NUMBER:OFFSET:IDENTITY".
std::string position_text(const Position& position);
std::optional<Position> parse_position(std::string_view text);

/// One file of a log, open.
struct Part {
  std::uint64_t number = 0;
  bool current = false;       ///< written now
  std::filesystem::path log;  ///< PATH or PATH.N, whose index belongs to it
  OpenFile file;
  std::shared_ptr<const std::vector<Frame>> frames{};  ///< of a compressed one
  std::uint64_t size = 0;                              ///< uncompressed

  Position at(std::uint64_t offset) const { return {number, offset, file.identity()}; }
};

/// The names in the directories of logs, read once for all logs of a step.
class Listing {
 public:
  /// The numbers of the rotated files of a log, growing.
  std::vector<std::uint64_t> numbers(const std::filesystem::path& log);
  void forget() { directories_.clear(); }

 private:
  std::map<std::filesystem::path, std::vector<std::string>> directories_{};
};

/// The files of one log. They are opened anew each time: between two calls nothing is held, and
/// each file may rotate, be compressed or go.
class Files {
 public:
  Files(std::filesystem::path log, Listing& listing, FrameCache& frames)
      : log_(std::move(log)), listing_(listing), frames_(frames) {}

  /// The one that is written now.
  std::optional<Part> current();
  /// The one that a position is in; nothing if it is gone.
  std::optional<Part> find(const Position& position);
  /// The next one, and the one before.
  std::optional<Part> after(std::uint64_t number);
  std::optional<Part> before(std::uint64_t number);
  /// The oldest one.
  std::optional<Part> first();

  /// The errno with which opening a file has failed, if not because it isn't there; or 0.
  int error() const { return error_; }

 private:
  std::optional<OpenFile> open(const std::filesystem::path& path);
  std::optional<Part> rotated(std::uint64_t number);

  std::filesystem::path log_;
  Listing& listing_;    // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  FrameCache& frames_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  int error_ = 0;
};

/// Bytes of a part, fewer at its end. Where a damaged frame begins the result ends, so that it is
/// empty within one.
std::string read_part(const Part& part, std::uint64_t offset, std::size_t size, FrameCache& frames);

/// The bytes around one of them that are compressed together: its frame, or itself alone.
struct Span {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};
Span span_of(const Part& part, std::uint64_t offset);

}  // namespace dixis::logs
