#include "common/logs/files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "common/log_index.hpp"

namespace dixis::logs {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

std::vector<std::string> sorted_names(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The frame that holds the byte at `offset`, which is within the part.
std::vector<Frame>::const_iterator frame_of(const Part& part, std::uint64_t offset) {
  const auto behind =
      std::upper_bound(part.frames->begin(), part.frames->end(), offset,
                       [](std::uint64_t place, const Frame& each) { return place < each.offset; });
  return behind - 1;
}

}  // namespace

std::string position_text(const Position& position) {
  return std::to_string(position.number) + ":" + std::to_string(position.offset) + ":" +
         std::to_string(position.identity);
}

std::optional<Position> parse_position(std::string_view text) {
  std::array<std::uint64_t, 3> fields{};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0 && (at == end || *at++ != ':')) return std::nullopt;
    const auto [stop, error] = std::from_chars(at, end, fields[i]);
    if (error != std::errc()) return std::nullopt;
    at = stop;
  }
  if (at != end) return std::nullopt;
  return Position{fields[0], fields[1], fields[2]};
}

std::vector<std::uint64_t> Listing::numbers(const fs::path& log) {
  const fs::path directory = log.parent_path();
  auto known = directories_.find(directory);
  if (known == directories_.end()) {
    known = directories_.emplace(directory, sorted_names(directory)).first;
  }
  const std::string name = log.filename().string();
  const auto& names = known->second;
  std::vector<std::uint64_t> numbers;
  for (auto each = std::lower_bound(names.begin(), names.end(), name + ".");
       each != names.end() && each->starts_with(name); ++each) {
    const auto parsed = parse_rotated_name(name, *each);
    if (parsed && !parsed->index) numbers.push_back(parsed->number);
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

std::optional<OpenFile> Files::open(const fs::path& path) {
  auto file = OpenFile::open(path);
  if (!file && errno != ENOENT) error_ = errno;
  return file;
}

std::optional<Part> Files::rotated(std::uint64_t number) {
  const fs::path path = rotated_log(log_, number);
  // The plain one is preferred while both are there. It may go while it is looked for.
  if (auto file = open(path)) {
    const std::uint64_t size = file->size();
    return Part{number, false, path, std::move(*file), nullptr, size};
  }
  auto file = open(compressed_log(path));
  if (!file) return std::nullopt;
  auto frames = frames_.frames_of(*file);
  const std::uint64_t size = frames->empty() ? 0 : frames->back().offset + frames->back().content;
  return Part{number, false, path, std::move(*file), std::move(frames), size};
}

std::optional<Part> Files::current() {
  const auto numbers = listing_.numbers(log_);
  std::uint64_t number = numbers.empty() ? 1 : numbers.back() + 1;
  while (true) {
    auto file = open(log_);
    if (!file) return std::nullopt;
    const fs::path name = rotated_log(log_, number);
    if (is_there(name) || is_there(compressed_log(name))) {
      ++number;  // it has rotated since the names were read
      continue;
    }
    const std::uint64_t size = file->size();
    return Part{number, true, log_, std::move(*file), nullptr, size};
  }
}

std::optional<Part> Files::find(const Position& position) {
  auto file = open(log_);
  if (file && file->identity() == position.identity) {
    const std::uint64_t size = file->size();
    return Part{position.number, true, log_, std::move(*file), nullptr, size};
  }
  return rotated(position.number);
}

std::optional<Part> Files::after(std::uint64_t number) {
  if (auto next = rotated(number + 1)) return next;
  listing_.forget();
  const auto numbers = listing_.numbers(log_);
  for (auto each = std::upper_bound(numbers.begin(), numbers.end(), number); each != numbers.end();
       ++each) {
    if (auto part = rotated(*each)) return part;
  }
  auto part = current();
  if (part) part->number = std::max(part->number, number + 1);
  return part;
}

std::optional<Part> Files::before(std::uint64_t number) {
  const auto numbers = listing_.numbers(log_);
  auto each = std::lower_bound(numbers.begin(), numbers.end(), number);
  while (each != numbers.begin()) {
    if (auto part = rotated(*--each)) return part;
  }
  return std::nullopt;
}

std::optional<Part> Files::first() {
  for (const auto number : listing_.numbers(log_)) {
    if (auto part = rotated(number)) return part;
  }
  return current();
}

std::string read_part(const Part& part, std::uint64_t offset, std::size_t size,
                      FrameCache& frames) {
  if (offset >= part.size) return {};
  size = static_cast<std::size_t>(std::min<std::uint64_t>(size, part.size - offset));
  if (!part.frames) return part.file.read(offset, size);
  std::string bytes;
  for (auto frame = frame_of(part, offset); frame != part.frames->end() && bytes.size() < size;
       ++frame) {
    const auto content = frames.content_of(part.file, *frame);
    if (content->empty()) break;
    const auto from = static_cast<std::size_t>(offset + bytes.size() - frame->offset);
    bytes += content->substr(from, size - bytes.size());
  }
  return bytes;
}

Span span_of(const Part& part, std::uint64_t offset) {
  if (!part.frames || offset >= part.size) return {offset, offset + 1};
  const auto frame = frame_of(part, offset);
  return {frame->offset, frame->offset + frame->content};
}

}  // namespace dixis::logs
