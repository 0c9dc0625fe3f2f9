#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace dixis {

/// Whose bytes a pipe carries.
struct LogSource {
  std::string app{};
  std::uint32_t instance = 0;
  std::uint64_t generation = 0;

  auto operator<=>(const LogSource&) const = default;
};

enum class LogStream { out, err };

/// "out" or "err", as in the names of files.
const char* name_of(LogStream stream);

/// How the logs of an app are kept.
struct LogSettings {
  enum class Format {
    raw,   ///< the app's bytes
    text,  ///< time, instance and stream before each line
  };
  enum class WhenFull {
    drop,   ///< a pipe that stayed full is emptied, and the lines are counted
    block,  ///< the app waits
  };

  /// Names of the files, below the log directory. `{instance}` stands for the number.
  std::string out{};
  std::string err{};
  std::uint64_t max_size = std::uint64_t{50} << 20U;  ///< of one file; then it is rotated
  std::uint32_t keep = 10;                            ///< rotated files of one log
  std::optional<std::chrono::milliseconds>
      max_age{};  ///< of a file's first line; then it is rotated
  std::uint64_t max_total = std::uint64_t{1} << 30U;  ///< all files of the app
  Format format = Format::raw;
  WhenFull when_full = WhenFull::drop;
  bool several = false;  ///< more than one instance: nothing is written but whole lines

  bool operator==(const LogSettings&) const = default;
};

/// PM2's names: APP-out.log, APP-err.log.
LogSettings default_log_settings(const std::string& app);

/// The file of a stream, below the log directory.
std::filesystem::path log_name(const LogSettings& settings, std::uint32_t instance,
                               LogStream stream);

}  // namespace dixis
