#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/model.hpp"
#include "common/result.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// The deaths of all apps, kept across crash and reboot: STATE/deaths.jsonl, one line a death,
/// newest last; bounded by the last 50 of an app and 8 KiB a death. Lines are appended on the
/// worker and made durable together, so a thousand deaths at once cost one write; a cut or damaged
/// line is skipped and said. Loop's thread.
class DeathArchive {
 public:
  DeathArchive(boost::asio::io_context& loop, Worker& worker,
               const std::filesystem::path& state_directory);
  ~DeathArchive();

  /// Appends; returns at once.
  void append(DeathRecord record);

  /// The newest `limit` deaths of `app`, newest first, those just appended included.
  Task<std::vector<DeathRecord>> read(std::string app, std::size_t limit);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
