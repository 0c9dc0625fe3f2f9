// Of the static library alone: sizes of frames without their whole bytes.
#define ZSTD_STATIC_LINKING_ONLY
#include "common/logs/frames.hpp"

#include <algorithm>
#include <optional>
#include <zstd.h>

namespace dixis::logs {
namespace {

constexpr std::size_t kBlockHeaderBytes = 3;
constexpr std::size_t kChecksumBytes = 4;

/// The end of a frame whose blocks begin at `at`, by the blocks' headers (RFC 8878, 3.1.1.2).
std::optional<std::uint64_t> end_of_blocks(const OpenFile& file, std::uint64_t at) {
  constexpr unsigned kRunLength = 1;
  while (true) {
    const std::string bytes = file.read(at, kBlockHeaderBytes);
    if (bytes.size() < kBlockHeaderBytes) return std::nullopt;
    unsigned header = 0;
    for (std::size_t i = 0; i < kBlockHeaderBytes; ++i) {
      header |= static_cast<unsigned>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
    const bool last = (header & 1U) != 0;
    const unsigned type = (header >> 1U) & 3U;
    at += kBlockHeaderBytes + (type == kRunLength ? 1 : header >> 3U);
    if (last) return at;
  }
}

std::optional<Frame> frame_at(const OpenFile& file, std::uint64_t at) {
  const std::string head = file.read(at, ZSTD_FRAMEHEADERSIZE_MAX);
  ZSTD_frameHeader header{};
  if (head.empty() || ZSTD_getFrameHeader(&header, head.data(), head.size()) != 0) {
    return std::nullopt;
  }
  if (header.frameType == ZSTD_skippableFrame) {
    return Frame{at, header.headerSize + header.frameContentSize, 0, 0};
  }
  // An unknown size is the largest number there is.
  if (header.frameContentSize > kLargestFrame) return std::nullopt;
  auto end = end_of_blocks(file, at + header.headerSize);
  if (!end) return std::nullopt;
  if (header.checksumFlag != 0) *end += kChecksumBytes;
  if (*end > file.size()) return std::nullopt;
  return Frame{at, *end - at, 0, header.frameContentSize};
}

template <class T>
void keep_first(std::list<T>& list, std::size_t most) {
  while (list.size() > most) list.pop_back();
}

}  // namespace

std::vector<Frame> find_frames(const OpenFile& file) {
  std::vector<Frame> frames;
  std::uint64_t offset = 0;
  for (std::uint64_t at = 0; at < file.size();) {
    auto frame = frame_at(file, at);
    if (!frame) break;
    frame->offset = offset;
    offset += frame->content;
    at += frame->size;
    if (frame->content > 0) frames.push_back(*frame);
  }
  return frames;
}

std::shared_ptr<const std::vector<Frame>> FrameCache::frames_of(const OpenFile& file) {
  const auto known = std::find_if(tables_.begin(), tables_.end(), [&](const Table& table) {
    return table.file == file.identity() && table.size == file.size();
  });
  if (known != tables_.end()) {
    tables_.splice(tables_.begin(), tables_, known);
  } else {
    tables_.push_front({file.identity(), file.size(),
                        std::make_shared<const std::vector<Frame>>(find_frames(file))});
    keep_first(tables_, kTables);
  }
  return tables_.front().frames;
}

std::shared_ptr<const std::string> FrameCache::content_of(const OpenFile& file,
                                                          const Frame& frame) {
  const auto known = std::find_if(contents_.begin(), contents_.end(), [&](const Content& content) {
    return content.file == file.identity() && content.at == frame.at;
  });
  if (known != contents_.end()) {
    contents_.splice(contents_.begin(), contents_, known);
    return contents_.front().bytes;
  }
  const std::string packed = file.read(frame.at, static_cast<std::size_t>(frame.size));
  std::string bytes(static_cast<std::size_t>(frame.content), '\0');
  const std::size_t size =
      ZSTD_decompress(bytes.data(), bytes.size(), packed.data(), packed.size());
  if (ZSTD_isError(size) != 0 || size != bytes.size()) bytes.clear();
  contents_.push_front(
      {file.identity(), frame.at, std::make_shared<const std::string>(std::move(bytes))});
  keep_first(contents_, kContents);
  return contents_.front().bytes;
}

void FrameCache::clear() {
  tables_.clear();
  contents_.clear();
}

}  // namespace dixis::logs
