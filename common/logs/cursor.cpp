#include "common/logs/cursor.hpp"

#include <algorithm>

namespace dixis::logs {
namespace {

bool same_writer(const LogIndexRecord& a, const LogIndexRecord& b) {
  return a.generation == b.generation && a.instance == b.instance && a.origin == b.origin;
}

/// Adds what the index says of the bytes.
void describe(Block& block, const Part& part, const std::optional<Index>& index) {
  block.order_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(part.file.written_ms(), 0));
  if (!index) return;
  if (const auto first = index->first()) block.order_ms = first->time_ms;
  block.records = index->governing(block.begin.offset, block.begin.offset + block.bytes.size());
}

}  // namespace

const LogIndexRecord* Block::record_at(std::uint64_t offset) const {
  const auto behind = std::upper_bound(
      records.begin(), records.end(), offset,
      [](std::uint64_t place, const LogIndexRecord& each) { return place < each.offset; });
  return behind == records.begin() ? nullptr : &*(behind - 1);
}

Line Block::line(std::size_t from, std::size_t length) const {
  Line out;
  out.begin = begin;
  out.begin.offset += from;
  out.after = out.begin;
  out.after.offset += length;
  out.bytes = std::string_view(bytes).substr(from, length);
  out.order_ms = order_ms;
  if (const auto* record = record_at(out.begin.offset)) {
    out.record = *record;
    out.order_ms = record->time_ms;
  }
  return out;
}

// ---- onwards --------------------------------------------------------------------------------

const Line* ForwardCursor::peek() {
  if (line_) return &*line_;
  held_ = false;
  std::size_t want = reading_.block;
  while (true) {
    if (const std::size_t length = next_length(); length > 0) {
      line_ = block_.line(used_, length);
      return &*line_;
    }
    const bool begun = used_ < block_.bytes.size();
    if (begun && used_ == 0 && want == kLongestPiece) {
      held_ = true;  // all there is of it was read, and it isn't ended
      return nullptr;
    }
    if (begun) want = kLongestPiece;
    if (!load(want)) return nullptr;
  }
}

void ForwardCursor::pop() {
  if (peek() == nullptr) return;
  at_ = line_->after;
  used_ += line_->bytes.size();
  line_.reset();
}

/// Bytes of the line that begins where the used bytes end; 0: it isn't whole.
std::size_t ForwardCursor::next_length() const {
  const std::string_view rest = std::string_view(block_.bytes).substr(used_);
  const std::size_t line_end = rest.find('\n');
  std::size_t length = 0;
  if (line_end != std::string_view::npos) {
    length = line_end + 1;
  } else if (rest.size() >= kLongestPiece || block_.whole || unfinished_) {
    length = rest.size();
  }
  length = std::min(length, kLongestPiece);
  // What somebody else wrote ends it, even if it has no end.
  const std::uint64_t begin = block_.begin.offset + used_;
  const auto* const own = block_.record_at(begin);
  if (own == nullptr) return length;
  for (auto each = own + 1; each < block_.records.data() + block_.records.size(); ++each) {
    const auto here = static_cast<std::size_t>(each->offset - begin);
    if (here >= (length > 0 ? length : rest.size())) break;
    if (!same_writer(*own, *each)) return here;
  }
  return length;
}

/// The file that the next bytes are in.
std::optional<Part> ForwardCursor::enter() {
  auto part = at_.number == 0 ? reading_.files.first() : reading_.files.find(at_);
  if (part && at_.number != 0) {
    if (at_.offset > part->size) {
      if (part->current) notes_.emplace_back("the log was emptied here");
      at_.offset = part->current ? 0 : part->size;
    }
    at_.identity = part->file.identity();
    return part;
  }
  if (!part && at_.number != 0) {
    part = reading_.files.after(at_.number);
    if (part) {
      notes_.emplace_back(
          "lines may be missing here: a file of the log was removed before it was read");
    }
  }
  if (part) at_ = part->at(0);
  return part;
}

bool ForwardCursor::load(std::size_t want) {
  block_ = {};
  used_ = 0;
  for (auto part = enter(); part;) {
    if (end_ && at_ >= *end_) return false;
    const bool last = end_ && part->number >= end_->number;
    const std::uint64_t size =
        last && part->number == end_->number ? std::min(part->size, end_->offset) : part->size;
    const auto index = Index::open(part->log);
    if (index && reading_.wanted && at_.offset < size) {
      at_.offset = index->skip_forward(at_.offset, size, reading_.wanted);
    }
    if (at_.offset >= size) {
      if (part->current || last) return false;
      part = reading_.files.after(part->number);
      if (part) at_ = part->at(0);
      continue;
    }
    want = static_cast<std::size_t>(std::min<std::uint64_t>(want, size - at_.offset));
    block_.bytes = read_part(*part, at_.offset, want, reading_.frames);
    bytes_read_ += block_.bytes.size();
    if (block_.bytes.empty()) {
      notes_.emplace_back("lines are missing here: " + part->log.string() +
                          (part->frames ? ".zst is damaged" : " can't be read"));
      at_.offset = part->frames ? std::min(span_of(*part, at_.offset).end, size) : size;
      continue;
    }
    block_.begin = at_;
    // Where fewer came, damage follows.
    block_.whole =
        block_.bytes.size() < want || (at_.offset + want >= size && (!part->current || last));
    describe(block_, *part, index);
    return true;
  }
  return false;
}

// ---- backwards ------------------------------------------------------------------------------

const Line* BackwardCursor::previous() {
  std::size_t want = reading_.block;
  while (true) {
    if (left_ > 0) {
      auto start = line_start();
      const bool all_read = left_ == block_.bytes.size() && want == kLongestPiece;
      if (!start && all_read) start = 0;
      if (start) {
        line_ = block_.line(*start, left_ - *start);
        at_ = line_.begin;
        left_ = *start;
        return &line_;
      }
      want = kLongestPiece;
    }
    if (!load(want)) return nullptr;
  }
}

/// Where the last line of what is left of the block begins, if that is in the block.
std::optional<std::size_t> BackwardCursor::line_start() const {
  const std::string_view text = std::string_view(block_.bytes).substr(0, left_);
  const std::size_t line_end = text.size() < 2 ? text.npos : text.rfind('\n', text.size() - 2);
  std::optional<std::size_t> start;
  if (line_end != text.npos) {
    start = line_end + 1;
  } else if (block_.whole) {
    start = 0;
  }
  // What somebody else wrote before it ends there, even if it has no end.
  const auto& records = block_.records;
  for (std::size_t i = records.size(); i > 1; --i) {
    const auto& record = records[i - 1];
    if (record.offset <= block_.begin.offset + start.value_or(0)) break;
    const auto here = static_cast<std::size_t>(record.offset - block_.begin.offset);
    if (here < left_ && !same_writer(record, records[i - 2])) return here;
  }
  return start;
}

bool BackwardCursor::load(std::size_t want) {
  block_ = {};
  left_ = 0;
  auto part = reading_.files.find(at_);
  while (at_ > floor_) {
    if (!part || at_.offset == 0) {
      part = reading_.files.before(at_.number);
      if (!part) return false;
      at_ = part->at(part->size);
      continue;
    }
    at_.offset = std::min(at_.offset, part->size);
    const auto index = Index::open(part->log);
    if (index && reading_.wanted) {
      at_.offset = index->skip_backward(at_.offset, reading_.wanted);
    }
    const std::uint64_t lowest = part->number == floor_.number ? floor_.offset : 0;
    if (at_.offset <= lowest) {
      if (part->number <= floor_.number) return false;
      at_.offset = 0;
      continue;
    }
    std::uint64_t from = at_.offset - std::min<std::uint64_t>(want, at_.offset - lowest);
    block_.bytes =
        read_part(*part, from, static_cast<std::size_t>(at_.offset - from), reading_.frames);
    if (block_.bytes.size() < at_.offset - from) {
      // A damaged frame is in it: what lies behind that, or before it.
      const Span span = span_of(*part, at_.offset - 1);
      from = std::max(span.begin, lowest);
      block_.bytes =
          read_part(*part, from, static_cast<std::size_t>(at_.offset - from), reading_.frames);
      if (block_.bytes.size() < at_.offset - from) {
        at_.offset = from == at_.offset ? 0 : from;
        continue;
      }
    }
    bytes_read_ += block_.bytes.size();
    block_.begin = part->at(from);
    block_.whole = from == lowest;
    left_ = block_.bytes.size();
    describe(block_, *part, index);
    return true;
  }
  return false;
}

// ---- places ---------------------------------------------------------------------------------

std::optional<Position> end_of(Files& files) {
  if (const auto part = files.current()) return part->at(part->size);
  // In the moment of a rotation, or after somebody took it away.
  auto last = files.before(~std::uint64_t{0});
  if (!last) return std::nullopt;
  return last->at(last->size);
}

namespace {

/// Whether all of a file is from before that time. Without an index its last change tells.
bool is_older(const Part& part, const std::optional<Index>& index, std::uint64_t time_ms) {
  const auto written =
      static_cast<std::uint64_t>(std::max<std::int64_t>(part.file.written_ms(), 0));
  return index ? !index->first_since(time_ms).has_value() : written < time_ms;
}

/// Whether all of it, and so of those before it, is from before: its beginning is.
bool begins_before(const std::optional<Index>& index, std::uint64_t time_ms) {
  const auto first = index ? index->first() : std::nullopt;
  return first && first->time_ms < time_ms;
}

}  // namespace

Position since(Reading reading, std::uint64_t time_ms) {
  Files& files = reading.files;
  Position found{};
  auto part = files.current();
  if (!part) part = files.before(~std::uint64_t{0});
  for (; part; part = files.before(part->number)) {
    const auto index = Index::open(part->log);
    if (is_older(*part, index, time_ms)) {
      if (found.number == 0) found = part->at(part->size);
      return found;
    }
    found = part->at(index ? index->first_since(time_ms).value_or(0) : 0);
    if (begins_before(index, time_ms)) break;
  }
  // In the middle of a line: it belongs to the time before.
  return next_line(std::move(reading), found);
}

Position next_line(Reading reading, Position position) {
  if (position.offset == 0) return position;
  Position before = position;
  --before.offset;
  ForwardCursor cursor(std::move(reading), before, std::nullopt);
  if (const Line* line = cursor.peek(); line != nullptr && line->ended()) return line->after;
  return position;
}

}  // namespace dixis::logs
