#include "common/logs/reader.hpp"

#include <algorithm>
#include <utility>

namespace dixis::logs {
namespace {

using namespace std::chrono_literals;

// What one step may do before others have their turn.
constexpr std::size_t kStepOutput = std::size_t{64} << 10U;
constexpr std::uint64_t kStepInput = std::uint64_t{1} << 20U;
constexpr std::size_t kStepOpens = 64;
/// Memory of a step, over all logs.
constexpr std::size_t kStepBuffers = std::size_t{1} << 20U;
constexpr std::size_t kLargestBlock = std::size_t{64} << 10U;
constexpr std::size_t kSmallestBlock = std::size_t{4} << 10U;

/// A follower that is further behind than this goes on near the end.
constexpr std::uint64_t kFarBehind = std::uint64_t{16} << 20U;
constexpr std::uint64_t kNearEnd = std::uint64_t{1} << 20U;

/// How long a line may lack its end before it is shown without.
constexpr auto kPatience = 1s;

std::size_t block_for(std::size_t logs) {
  return std::clamp(kStepBuffers / std::max<std::size_t>(logs, 1), kSmallestBlock, kLargestBlock);
}

bool is_known(const LogIndexRecord& record) {
  return record.generation != 0 || record.instance != 0;
}

void add_line(Chunk& chunk, std::size_t log, const Line& line) {
  if (chunk.lines.empty() || chunk.lines.back().log != log ||
      chunk.lines.back().record.has_value() != line.record.has_value() ||
      (line.record && (chunk.lines.back().record->time_ms != line.record->time_ms ||
                       chunk.lines.back().record->generation != line.record->generation ||
                       chunk.lines.back().record->instance != line.record->instance ||
                       chunk.lines.back().record->origin != line.record->origin))) {
    chunk.lines.push_back({log, line.record, {}});
  }
  chunk.lines.back().bytes += line.bytes;
}

}  // namespace

Reader::Reader(Query query, FrameCache& frames) : query_(std::move(query)), frames_(frames) {
  for (auto& log : std::exchange(query_.logs, {})) add(std::move(log));
}

void Reader::add(WantedLog log) {
  State& state = states_.emplace_back();
  state.file = std::move(log.file);
  if (log.from) {
    state.at = *log.from;
    state.resumed = true;
  }
  if (!log.instances && !log.lives) return;
  state.filter = [instances = std::move(log.instances),
                  lives = std::move(log.lives)](const LogIndexRecord& record) {
    if (!is_known(record)) return true;
    if (instances && !instances->contains(record.instance)) return false;
    if (!lives) return true;
    const auto life = lives->find(record.instance);
    return life != lives->end() && life->second == record.generation;
  };
}

Reading Reader::reading_of(const State& state, std::size_t block) {
  return {Files(state.file, listing_, frames_), frames_, state.filter, block};
}

bool Reader::wants(const State& state, const Line& line) const {
  if (line.record && state.filter && !state.filter(*line.record)) return false;
  return !query_.pattern || query_.pattern->matches(line.bytes);
}

bool Reader::step(Chunk& chunk) {
  listing_.forget();
  switch (phase_) {
    case Phase::opening:
      for (std::size_t i = 0; i < kStepOpens && opened_ < states_.size(); ++i) {
        open(states_[opened_++]);
      }
      if (opened_ < states_.size()) return true;
      phase_ = query_.lines ? Phase::counting : Phase::reading;
      if (phase_ == Phase::reading) chunk.positions = positions();
      return true;
    case Phase::counting:
      count();
      if (phase_ == Phase::reading) chunk.positions = positions();
      return true;
    case Phase::reading:
      if (read(with_more(), true, chunk)) return true;
      phase_ = Phase::done;
      return false;
    case Phase::done:
      return false;
  }
  return false;
}

/// Finds where a log ends now and where its lines may begin.
void Reader::open(State& state) {
  Reading reading = reading_of(state, kSmallestBlock);
  reading.wanted = {};
  if (state.resumed) return;  // what came since is followed: nothing of it was there at first
  state.end = end_of(reading.files);
  state.error = reading.files.error();
  if (!state.end) return;
  if (query_.since_ms) state.at = since(reading, *query_.since_ms);
  if (query_.until_ms && *query_.until_ms < ~std::uint64_t{0}) {
    state.end = std::min(*state.end, since(std::move(reading), *query_.until_ms + 1));
  }
  if (!query_.lines) return;
  state.floor = state.at;
  state.back = state.at = *state.end;
}

// ---- counting lines from the end ------------------------------------------------------------

/// Goes back from the ends until so many lines are counted, the youngest of all logs first.
void Reader::count() {
  // With many logs none keeps its block.
  const bool keeps = states_.size() <= kStepOpens;
  std::map<std::size_t, std::optional<BackwardCursor>> cursors;
  std::uint64_t read = 0;
  while (counted_ < *query_.lines) {
    State* youngest = nullptr;
    for (std::size_t log = 0; log < states_.size(); ++log) {
      State& state = states_[log];
      if (!find_candidate(state, cursors[log], read)) return;
      if (!keeps) cursors.clear();
      if (state.next && (!youngest || state.next->order_ms > youngest->next->order_ms)) {
        youngest = &state;
      }
    }
    if (!youngest) break;
    youngest->at = youngest->next->begin;
    youngest->next.reset();
    ++counted_;
  }
  phase_ = Phase::reading;
}

/// Sees to it that the log's next line backwards is known, if it has one. False: the step has read
/// enough.
bool Reader::find_candidate(State& state, std::optional<BackwardCursor>& cursor,
                            std::uint64_t& read) {
  while (!state.next && !state.all_counted && state.end) {
    if (read >= kStepInput) return false;
    if (!cursor) {
      cursor.emplace(reading_of(state, block_for(states_.size())), state.back, state.floor);
      read += kSmallestBlock;  // it costs something even if it finds nothing
    }
    const std::uint64_t before = cursor->bytes_read();
    const Line* line = cursor->previous();
    read += cursor->bytes_read() - before;
    if (line == nullptr) {
      state.all_counted = true;
      return true;
    }
    state.back = line->begin;
    if (wants(state, *line)) state.next = Candidate{line->begin, line->order_ms};
  }
  return true;
}

// ---- reading onwards ------------------------------------------------------------------------

/// The logs that haven't been read to where they ended at first.
std::set<std::size_t> Reader::with_more() const {
  std::set<std::size_t> logs;
  for (std::size_t log = 0; log < states_.size(); ++log) {
    const State& state = states_[log];
    if (state.end && (state.at.number == 0 || state.at < *state.end)) logs.insert(log);
  }
  return logs;
}

bool Reader::follow(const std::set<std::size_t>& logs, Chunk& chunk) {
  listing_.forget();
  for (const auto log : logs) {
    if (const auto skipped = far_behind(states_[log])) {
      chunk.notes.push_back(
          {log, std::to_string(*skipped) +
                    " bytes were skipped here: they were not read as fast as they were written"});
    }
  }
  return read(logs, false, chunk);
}

bool Reader::read(const std::set<std::size_t>& logs, bool to_end, Chunk& chunk) {
  Cursors cursors;
  const auto now = std::chrono::steady_clock::now();
  for (const auto log : logs) {
    State& state = states_[log];
    const auto end = to_end ? state.end : std::nullopt;
    auto& cursor =
        cursors
            .emplace(log, ForwardCursor(reading_of(state, block_for(logs.size())), state.at, end))
            .first->second;
    const bool due = state.held && now - state.held->since >= kPatience;
    if (!to_end && due && !query_.pattern) cursor.take_unfinished();
  }
  const bool more = merge(cursors, chunk);
  for (auto& [log, cursor] : cursors) settle(log, cursor, chunk);
  return more;
}

/// The log with the oldest line; of several the one that was the last; it too while its line goes
/// on.
Reader::Cursors::iterator Reader::pick(Cursors& cursors, Cursors::iterator last) const {
  const Line* of_last = last == cursors.end() ? nullptr : last->second.peek();
  if (of_last != nullptr && within_) return last;
  auto best = of_last == nullptr ? cursors.end() : last;
  const Line* oldest = of_last;
  for (auto each = cursors.begin(); each != cursors.end(); ++each) {
    const Line* line = each->second.peek();
    if (line == nullptr || (oldest != nullptr && line->order_ms >= oldest->order_ms)) continue;
    best = each;
    oldest = line;
  }
  return best;
}

/// Takes the oldest line there is, again and again. False: there are no more.
bool Reader::merge(Cursors& cursors, Chunk& chunk) {
  std::size_t output = 0;
  std::uint64_t input = 0;
  for (auto& [log, cursor] : cursors) {
    cursor.peek();
    input += cursor.bytes_read();
  }
  auto last = within_ ? cursors.find(*within_) : cursors.end();
  while (output < kStepOutput && input < kStepInput + cursors.size() * kLargestBlock) {
    const auto next = pick(cursors, last);
    if (next == cursors.end()) return false;
    ForwardCursor& cursor = next->second;
    const Line& line = *cursor.peek();
    within_ = line.ended() ? std::nullopt : std::optional(next->first);
    if (wants(states_[next->first], line)) {
      add_line(chunk, next->first, line);
      output += line.bytes.size();
    }
    const std::uint64_t before = cursor.bytes_read();
    cursor.pop();
    cursor.peek();
    input += cursor.bytes_read() - before;
    last = next;
  }
  return true;
}

/// Keeps what a cursor has come to.
void Reader::settle(std::size_t log, ForwardCursor& cursor, Chunk& chunk) {
  State& state = states_[log];
  for (auto& text : cursor.notes()) chunk.notes.push_back({log, std::move(text)});
  if (!cursor.holds_unfinished()) {
    state.held.reset();
  } else if (!state.held || state.held->begin != cursor.at()) {
    state.held = Held{cursor.at(), std::chrono::steady_clock::now()};
  }
  if (state.at == cursor.at() && state.at.identity == cursor.at().identity) return;
  state.at = cursor.at();
  chunk.positions[log] = state.at;
}

/// Goes on near the end of a log that is read too slowly: how many bytes that leaves out.
std::optional<std::uint64_t> Reader::far_behind(State& state) {
  Reading reading = reading_of(state, kLargestBlock);
  reading.wanted = {};
  auto part = state.at.number == 0 ? std::nullopt : reading.files.find(state.at);
  if (!part || state.at.offset > part->size) return std::nullopt;
  std::uint64_t behind = part->size - state.at.offset;
  while (part && !part->current) {
    part = reading.files.after(part->number);
    if (part) behind += part->size;
  }
  if (!part || behind <= kFarBehind) return std::nullopt;
  const std::uint64_t kept = std::min(kNearEnd, part->size);
  const Position near = next_line(std::move(reading), part->at(part->size - kept));
  state.at = near;
  state.held.reset();
  return behind - (part->size - near.offset);
}

std::optional<std::chrono::steady_clock::time_point> Reader::due() const {
  std::optional<std::chrono::steady_clock::time_point> first;
  if (query_.pattern) return first;
  for (const State& state : states_) {
    if (!state.held) continue;
    const auto due = state.held->since + kPatience;
    if (!first || due < *first) first = due;
  }
  return first;
}

std::set<std::size_t> Reader::unfinished() const {
  std::set<std::size_t> logs;
  for (std::size_t log = 0; log < states_.size(); ++log) {
    if (states_[log].held) logs.insert(log);
  }
  return logs;
}

std::map<std::size_t, Position> Reader::positions() const {
  std::map<std::size_t, Position> out;
  for (std::size_t log = 0; log < states_.size(); ++log) {
    out[log] = states_[log].at;
  }
  return out;
}

}  // namespace dixis::logs
