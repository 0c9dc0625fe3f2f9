#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/logs/files.hpp"
#include "common/logs/index.hpp"

namespace dixis::logs {

/// A longer line comes in pieces, so that memory stays bounded.
inline constexpr std::size_t kLongestPiece = std::size_t{64} << 10U;

/// A line of a log with its line end; or what there is of one that has none, or a piece of one that
/// is too long. What another generation, instance or the daemon itself wrote begins a line of its
/// own.
struct Line {
  Position begin{};
  Position after{};
  std::string_view bytes{};                ///< until the cursor moves
  std::optional<LogIndexRecord> record{};  ///< what is known of it
  std::uint64_t order_ms = 0;              ///< its time, or a guess where that isn't known

  bool ended() const { return bytes.ends_with('\n'); }
};

/// What a cursor reads from and how.
struct Reading {
  Files files;
  FrameCache& frames;
  Index::Wanted wanted{};                      ///< others' lines are skipped where the index tells
  std::size_t block = std::size_t{64} << 10U;  ///< bytes to read at a go
};

/// Bytes of one file with what its index says of them. The part is closed again.
struct Block {
  Position begin{};
  std::string bytes{};
  std::vector<LogIndexRecord> records{};
  std::uint64_t order_ms = 0;  ///< for lines without a record
  bool whole = false;          ///< the file has no bytes behind it, and gets no more

  Line line(std::size_t from, std::size_t length) const;
  const LogIndexRecord* record_at(std::uint64_t offset) const;
};

/// Reads a log onwards, over the ends of its files.
class ForwardCursor {
 public:
  /// Lines from `at` on (a number of 0: from the oldest file), until `end` if there is one.
  ForwardCursor(Reading reading, Position at, std::optional<Position> end)
      : reading_(std::move(reading)), at_(at), end_(end) {}

  /// The next line, if it is there already.
  const Line* peek();
  void pop();

  /// Shows a last line that isn't ended yet.
  void take_unfinished() { unfinished_ = true; }
  /// Whether there is one that was held back.
  bool holds_unfinished() const { return held_; }

  const Position& at() const { return at_; }
  std::uint64_t bytes_read() const { return bytes_read_; }
  /// What is missing, in words.
  std::vector<std::string>& notes() { return notes_; }

 private:
  bool load(std::size_t want);
  std::optional<Part> enter();
  std::size_t next_length() const;

  Reading reading_;
  Position at_;
  std::optional<Position> end_;
  Block block_{};
  std::size_t used_ = 0;  ///< of the block
  std::optional<Line> line_{};
  bool unfinished_ = false;
  bool held_ = false;
  std::uint64_t bytes_read_ = 0;
  std::vector<std::string> notes_{};
};

/// Reads a log backwards. A line that is too long is cut from its end.
class BackwardCursor {
 public:
  /// Lines before `at`, until `floor`.
  BackwardCursor(Reading reading, Position at, Position floor)
      : reading_(std::move(reading)), at_(at), floor_(floor) {}

  /// Goes to the line before; nothing if there is none.
  const Line* previous();

  const Position& at() const { return at_; }
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  bool load(std::size_t want);
  std::optional<std::size_t> line_start() const;

  Reading reading_;
  Position at_;
  Position floor_;
  Block block_{};
  std::size_t left_ = 0;  ///< bytes of the block before `at_`
  Line line_{};
  std::uint64_t bytes_read_ = 0;
};

/// Where a log ends now; nothing if there is no file of it.
std::optional<Position> end_of(Files& files);
/// Where the first line begins that was carried at `time_ms` or later.
Position since(Reading reading, std::uint64_t time_ms);
/// The position itself if a line begins there, or else where the next one does.
Position next_line(Reading reading, Position position);

}  // namespace dixis::logs
