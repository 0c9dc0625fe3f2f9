#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <sys/ioctl.h>
#include <thread>
#include <vector>
#include <zstd.h>

#include "common/log_index.hpp"
#include "daemon/logs/capture.hpp"
#include "daemon/logs/rotated_files.hpp"
#include "tests/unit/daemon/logs/support.hpp"

namespace dixis::test {

/// Writes as an app does: blocking, in pieces of odd sizes.
inline void write_to(int fd, const std::string& bytes, std::size_t piece = 3001) {
  for (std::size_t done = 0; done < bytes.size();) {
    const auto count = ::write(fd, bytes.data() + done, std::min(piece, bytes.size() - done));
    if (count <= 0) throw std::runtime_error("write to the pipe failed");
    done += static_cast<std::size_t>(count);
  }
}

inline std::string numbered_lines(int from, int to) {
  std::string text;
  for (int i = from; i < to; ++i) text += "line " + std::to_string(i) + "\n";
  return text;
}

/// Waits until `done` says so; for what comes with no event.
template <class F>
bool eventually(F done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < deadline) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

/// Waits until the daemon's side has emptied the pipe.
inline bool wait_until_empty(const UniqueFd& end) {
  return eventually([&] {
    int held = 1;
    return ::ioctl(end.get(), FIONREAD, &held) == 0 && held == 0;
  });
}

/// A loop, the log worker, and a capture that can be ended early: then all has been written.
struct Scene {
  explicit Scene(std::filesystem::path logs,
                 const LogSettings& chosen = default_log_settings("app"))
      : directory(std::move(logs)), settings(chosen), worker("logs") {
    begin();
  }

  void begin() { capture.emplace(worker, CapturePlaces{directory, runtime.path()}); }
  CaptureEnds open(std::uint64_t generation = 1, std::uint32_t instance = 0) {
    return capture->open({"app", instance, generation}, settings).value();
  }
  Result<void> adopt(int pid) { return capture->adopt({"app", 0, 1}, settings, pid); }
  std::filesystem::path out_file() const { return capture->file(settings, 0, LogStream::out); }
  std::filesystem::path err_file() const { return capture->file(settings, 0, LogStream::err); }
  std::string last_lines(int lines, std::uint64_t generation = 1, std::uint32_t instance = 0) {
    return run_task(loop, capture->last_lines({"app", instance, generation}, settings, lines));
  }
  /// What is in the pipes of a generation has been carried.
  void settle(std::uint64_t generation = 1) { last_lines(1, generation); }

  std::filesystem::path directory;
  LogSettings settings;
  TemporaryDirectory runtime{};
  boost::asio::io_context loop{};
  Worker worker;
  std::optional<Capture> capture;
};

/// What gap lines count, and the log without them.
struct Gaps {
  std::uint64_t lines = 0;
  std::uint64_t bytes = 0;
  std::string why{};  ///< of the last one
  std::string rest{};
};

inline Gaps take_gaps(const std::string& log) {
  Gaps gaps;
  std::istringstream in(log);
  for (std::string line; std::getline(in, line);) {
    unsigned long lines = 0;
    unsigned long bytes = 0;
    if (std::sscanf(line.c_str(), "[dixis] %lu lines (%lu bytes) were lost between ", &lines,
                    &bytes) != 2) {
      gaps.rest += line + "\n";
      continue;
    }
    gaps.lines += lines;
    gaps.bytes += bytes;
    gaps.why = line.substr(line.rfind(": ") + 2);
  }
  return gaps;
}

/// The rotated files of a log, in order.
inline std::vector<KeptLog> rotated_of(const std::filesystem::path& log) {
  auto files = logs_in(log.parent_path());
  std::erase_if(files, [&](const auto& file) { return file.log != log || file.number == 0; });
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  return files;
}

/// With its own means: the library's, frame by frame.
inline std::string decompress(const std::string& file) {
  std::string out;
  for (std::size_t at = 0; at < file.size();) {
    const std::size_t size = ZSTD_findFrameCompressedSize(file.data() + at, file.size() - at);
    if (!(ZSTD_isError(size) == 0)) throw std::runtime_error("a bad frame");
    std::string frame(ZSTD_getFrameContentSize(file.data() + at, size), '\0');
    if (!(frame.size() <= kLogFrameBytes)) throw std::runtime_error("a bad frame");
    if (!(ZSTD_decompress(frame.data(), frame.size(), file.data() + at, size) == frame.size()))
      throw std::runtime_error("a bad frame");
    out += frame;
    at += size;
  }
  return out;
}

/// Rotated files and the log itself, in order.
inline std::string all_of(const std::filesystem::path& log) {
  std::string out;
  for (const auto& file : rotated_of(log)) {
    const auto plain = rotated_log(log, file.number);
    auto bytes = read_file(plain);
    // It may have been compressed in this moment.
    out += bytes.empty() ? decompress(read_file(compressed_log(plain))) : bytes;
  }
  return out + read_file(log);
}

}  // namespace dixis::test
