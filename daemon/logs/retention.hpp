#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/logs/compressor.hpp"
#include "daemon/logs/rotated_files.hpp"

namespace dixis {

/// Keeps logs within their bounds. Log worker; blocks on the disk.
class Retention {
 public:
  explicit Retention(Compressor& compressor) : compressor_(compressor) {}

  /// What may be kept of an app's logs.
  struct Rules {
    std::uint32_t keep = 0;
    std::uint64_t max_total = 0;
  };
  void set(const std::string& app, const Rules& rules);
  void add(const std::string& app, const std::filesystem::path& log);
  void remove(const std::string& app, const std::filesystem::path& log);
  /// For all logs in the directories that are known, of apps that are gone too.
  void set_ceiling(std::optional<std::uint64_t> bytes) { ceiling_ = bytes; }

  /// Removes what is too much, and has the rest compressed.
  void tidy(const std::string& app);
  /// Removes the oldest rotated file of an app. False: it has none.
  bool free_oldest(const std::string& app);
  /// Removes all rotated files of a log.
  static void remove_all(const std::filesystem::path& log);

 private:
  struct App {
    Rules rules{};
    std::set<std::filesystem::path> logs{};
  };
  static std::vector<KeptLog> logs_of(const App& app);
  std::vector<KeptLog> all_logs() const;

  Compressor& compressor_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  std::map<std::string, App> apps_{};
  std::optional<std::uint64_t> ceiling_{};
};

}  // namespace dixis
