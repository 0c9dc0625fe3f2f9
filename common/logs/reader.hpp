#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/logs/cursor.hpp"
#include "common/logs/pattern.hpp"

namespace dixis::logs {

/// One log that is wanted, and what of it. What the index doesn't know is never left out.
struct WantedLog {
  std::filesystem::path file{};
  std::optional<std::set<std::uint32_t>> instances{};  ///< these; not given: all
  /// Of each instance this generation alone; not given: all. One that isn't named is left out.
  std::optional<std::map<std::uint32_t, std::uint64_t>> lives{};
  std::optional<Position> from{};  ///< go on here instead
};

/// What a viewer asks for.
struct Query {
  std::vector<WantedLog> logs{};
  std::optional<std::uint64_t> lines{};     ///< at most so many, the last ones, of all together
  std::optional<std::uint64_t> since_ms{};  ///< Unix time
  std::optional<std::uint64_t> until_ms{};
  std::shared_ptr<const Pattern> pattern{};
};

/// Lines of one log that follow each other and have the same time and writer.
struct Lines {
  std::size_t log = 0;  ///< which of the query's
  std::optional<LogIndexRecord> record{};
  std::string bytes{};  ///< where they don't end with '\n', the line goes on or has no end
};

/// A note about a log, for people.
struct Note {
  std::size_t log = 0;
  std::string text{};
};

/// What a step has read.
struct Chunk {
  std::vector<Lines> lines{};
  /// Where to go on with the logs that were read; with all of them, before the first lines come.
  std::map<std::size_t, Position> positions{};
  std::vector<Note> notes{};
};

/// Reads logs, merged by time, in steps of bounded work and memory. Between them it holds positions
/// only: no file, no buffer; so that any number of them can wait for their clients. It may block on
/// the disk. Not thread-safe.
class Reader {
 public:
  Reader(Query query, FrameCache& frames);

  /// Reads on until all that was there at the first step has been read. False: it has.
  bool step(Chunk& chunk);

  /// Then: reads what has been added to these logs since. A line that isn't ended is held back for
  /// a second. False: there is no more for now.
  bool follow(const std::set<std::size_t>& logs, Chunk& chunk);
  /// When a line that is held back is due; nothing while there is none.
  std::optional<std::chrono::steady_clock::time_point> due() const;
  /// The logs that have one.
  std::set<std::size_t> unfinished() const;

  /// One more to follow, from its beginning.
  void add(WantedLog log);

  /// Where each log stands; a number of 0: at its beginning, it has no file yet.
  std::map<std::size_t, Position> positions() const;
  /// The errno with which opening a log has failed, if not because there is none; or 0.
  int error(std::size_t log) const { return states_[log].error; }

 private:
  /// The last line before those that are counted already.
  struct Candidate {
    Position begin{};
    std::uint64_t order_ms = 0;
  };
  struct Held {
    Position begin{};
    std::chrono::steady_clock::time_point since{};
  };
  struct State {
    std::filesystem::path file{};
    Index::Wanted filter{};         ///< null: all
    Position at{};                  ///< number 0: from the beginning of what there is
    std::optional<Position> end{};  ///< of what was there at first; nothing: there was no file
    Position floor{};               ///< counting backwards ends here
    Position back{};                ///< and has come down to here
    std::optional<Candidate> next{};
    bool all_counted = false;
    bool resumed = false;  ///< at a position of an earlier reading
    std::optional<Held> held{};
    int error = 0;
  };
  enum class Phase { opening, counting, reading, done };
  using Cursors = std::map<std::size_t, ForwardCursor>;

  Reading reading_of(const State& state, std::size_t block);
  bool wants(const State& state, const Line& line) const;
  void open(State& state);
  void count();
  bool find_candidate(State& state, std::optional<BackwardCursor>& cursor, std::uint64_t& read);
  std::set<std::size_t> with_more() const;
  bool read(const std::set<std::size_t>& logs, bool to_end, Chunk& chunk);
  bool merge(Cursors& cursors, Chunk& chunk);
  Cursors::iterator pick(Cursors& cursors, Cursors::iterator last) const;
  void settle(std::size_t log, ForwardCursor& cursor, Chunk& chunk);
  std::optional<std::uint64_t> far_behind(State& state);

  Query query_;
  FrameCache& frames_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  Listing listing_{};
  std::vector<State> states_{};
  Phase phase_ = Phase::opening;
  std::size_t opened_ = 0;
  std::uint64_t counted_ = 0;
  std::optional<std::size_t> within_{};  ///< the log whose last line goes on
};

}  // namespace dixis::logs
