#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "common/result.hpp"
#include "daemon/model/spec.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// How many instances an operator wants of an app, against its configuration: STATE/scale.json (see
/// DOCUMENTS.md). It holds until the configuration itself says another number than it said then.
/// Loop's thread.
class Scales {
 public:
  Scales(Worker& worker, const std::filesystem::path& state)
      : worker_(worker), file_(state / "scale.json") {}

  /// Reads what an earlier daemon has written. What was damaged is put aside; gives a line for it.
  /// Blocks: before the loop runs.
  std::optional<std::string> load();

  /// Gives each app the number that an operator wants. What the configuration has overtaken is
  /// forgotten with the next write.
  void apply(Config& config) const;

  /// Wants `instances` of an app that is configured with `configured`; durable when it returns.
  Task<Result<void>> set(std::string app, std::uint32_t instances, std::uint32_t configured);

 private:
  struct Scale {
    std::uint32_t instances = 0;
    std::uint32_t configured = 0;
  };
  std::string text() const;

  Worker& worker_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  std::filesystem::path file_;
  std::map<std::string, Scale> apps_{};
};

}  // namespace dixis
