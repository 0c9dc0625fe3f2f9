#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio.hpp>

#include "common/model.hpp"
#include "common/result.hpp"
#include "daemon/run/document.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// The deaths of all apps, kept across crash and reboot: STATE/deaths.jsonl, one line a death,
/// newest last; bounded by the last 50 of an app and 8 KiB a death. Lines are appended on the
/// worker and made durable together, so a thousand deaths at once cost one write; a cut or damaged
/// line is skipped and said. A disk that takes nothing is warned of once: what could not be written
/// stays in memory, bounded too, and is written when the disk works again. Loop's thread.
class DeathArchive {
 public:
  struct Options {
    std::chrono::milliseconds limit{2000};          ///< what read() and flush() wait for the disk
    std::chrono::milliseconds retry_after{60'000};  ///< after a write that failed
    StepHook before_step{};                         ///< runs on the worker; for tests
  };

  DeathArchive(boost::asio::any_io_executor loop, Worker& worker,
               std::filesystem::path state_directory);
  DeathArchive(boost::asio::any_io_executor loop, Worker& worker,
               std::filesystem::path state_directory, Options options);
  ~DeathArchive();
  DeathArchive(const DeathArchive&) = delete;
  DeathArchive& operator=(const DeathArchive&) = delete;

  /// Appends; returns at once.
  void append(DeathRecord record);

  /// Drops the deaths of an app that has left the configuration; returns at once.
  void forget(std::string app);

  /// The newest `limit` deaths of `app`, of one of its instances where that is given; newest first,
  /// those just appended included.
  Task<Result<std::vector<DeathRecord>>> read(std::string app, std::size_t limit,
                                              std::optional<std::uint32_t> instance = {});

  /// Returns when all that was appended is durable, or can't be made so for now.
  Task<void> flush();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace dixis
