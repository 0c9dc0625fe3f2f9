#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace dixis {

/// The key `logs` of an app.
struct LogSpec {
  enum class Format { raw, text };
  enum class WhenFull { drop, block };
  std::string out{};  ///< below the log directory, `{instance}` in it; empty: APP-out.log
  std::string err{};
  std::uint64_t max_size = std::uint64_t{50} << 20U;
  std::uint32_t keep = 10;
  std::optional<std::chrono::milliseconds> max_age{};
  std::uint64_t max_total = std::uint64_t{1} << 30U;
  Format format = Format::raw;
  WhenFull when_full = WhenFull::drop;
  bool operator==(const LogSpec&) const = default;
};

}  // namespace dixis
