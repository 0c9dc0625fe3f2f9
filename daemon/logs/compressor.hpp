#pragma once

#include <atomic>
#include <filesystem>
#include <mutex>
#include <set>

#include "common/result.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// Compresses rotated logs, one after the other, on a thread of its own that yields to all others.
class Compressor {
 public:
  Compressor();
  ~Compressor();

  /// PATH.N becomes PATH.N.zst, some time later; whole, or not at all. What fails (a full disk)
  /// stays as it is.
  void compress(const std::filesystem::path& rotated);

 private:
  std::atomic<bool> ending_ = false;
  std::mutex mutex_{};
  std::set<std::filesystem::path> waiting_{};
  Worker worker_{"dixis-zstd"};
};

/// Compresses `from` into `to` in frames of kLogFrameBytes of input each; about 3 MiB of memory.
/// Ends early, with an error, once `ending` is set. Blocks on the disk.
Result<void> compress_file(const std::filesystem::path& from, const std::filesystem::path& to,
                           const std::atomic<bool>& ending);

}  // namespace dixis
