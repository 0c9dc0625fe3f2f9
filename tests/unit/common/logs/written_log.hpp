#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <zstd.h>

#include "common/log_index.hpp"

namespace dixis::test {

/// The files of a log as the daemon leaves them, made by hand.
class WrittenLog {
 public:
  explicit WrittenLog(std::filesystem::path path) : path_(std::move(path)) { std::ofstream{path_}; }

  const std::filesystem::path& path() const { return path_; }

  /// Appends bytes, with a record for them in the index.
  void write(const std::string& bytes, std::uint64_t time_ms, std::uint32_t generation = 1,
             std::uint16_t instance = 0, LogOrigin origin = LogOrigin::app) {
    record({std::filesystem::file_size(path_), time_ms, generation, instance, origin});
    append(path_, bytes);
  }

  /// Appends bytes without a record.
  void write(const std::string& bytes) const { append(path_, bytes); }

  /// Appends a record alone.
  void record(const LogIndexRecord& record) const {
    const auto index = log_index(path_);
    if (!std::filesystem::exists(index)) append(index, std::string(kLogIndexMagic));
    const auto encoded = encode_log_index(record);
    append(index, {encoded.data(), encoded.size()});
  }

  /// PATH becomes PATH.N; gives N.
  std::uint64_t rotate() {
    namespace fs = std::filesystem;
    const auto rotated = rotated_log(path_, ++number_);
    fs::rename(path_, rotated);
    if (fs::exists(log_index(path_))) fs::rename(log_index(path_), log_index(rotated));
    std::ofstream{path_};
    return number_;
  }

  /// PATH.N becomes PATH.N.zst, a frame for each `frame` bytes.
  void compress(std::uint64_t number, std::size_t frame = kLogFrameBytes) const {
    const auto rotated = rotated_log(path_, number);
    std::ifstream in(rotated, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    for (std::size_t at = 0; at < text.size(); at += frame) {
      const std::string part = text.substr(at, frame);
      std::string packed(ZSTD_compressBound(part.size()), '\0');
      packed.resize(ZSTD_compress(packed.data(), packed.size(), part.data(), part.size(), 3));
      append(compressed_log(rotated), packed);
    }
    std::filesystem::remove(rotated);
  }

  static void append(const std::filesystem::path& file, const std::string& bytes) {
    std::ofstream(file, std::ios::app | std::ios::binary) << bytes;
  }

 private:
  std::filesystem::path path_;
  std::uint64_t number_ = 0;
};

}  // namespace dixis::test
