#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "common/model.hpp"
#include "daemon/model/health_spec.hpp"

namespace dixis {

/// What the probes of one generation have answered, and what follows from it. Pure: the caller has
/// the clock and the probes.
class HealthBook {
 public:
  HealthBook() = default;
  explicit HealthBook(std::vector<ProbeSpec> probes);

  const std::vector<ProbeSpec>& probes() const { return probes_; }

  /// What an answer has changed.
  enum class Change { none, fell_ill, recovered };
  /// Notes the answer of probe number `probe` at `now_ms` (clock.hpp: boottime_ms()).
  Change note(std::size_t probe, ProbeReport report, std::int64_t now_ms);

  /// Each probe has been good `successes` times in a row, and none is ill.
  bool well() const;
  bool ill() const;
  /// When the ill one was last good; `otherwise` if it never was.
  std::int64_t well_until(std::int64_t otherwise) const;
  /// "http /api/health: 500 Internal Server Error, 3 times in a row"; empty when nothing is bad.
  std::string complaint() const;
  /// The latest answer, of the probe that is worst; nullopt: none was asked. For the record of a
  /// death.
  std::optional<std::string> last_answer() const;

  /// For `list`; nullopt without probes.
  std::optional<Health> view(std::int64_t now_ms) const;
  /// The last 20, newest first.
  std::vector<ProbeReport> history() const { return {history_.begin(), history_.end()}; }

 private:
  struct Course {
    std::uint32_t bad_in_a_row = 0;
    std::uint32_t good_in_a_row = 0;
    bool ill = false;
    bool well = false;
    std::optional<std::int64_t> last_good_ms{};
    std::optional<ProbeReport> last{};
    std::optional<std::int64_t> last_ms{};
  };
  const Course* worst() const;

  std::vector<ProbeSpec> probes_;
  std::vector<Course> courses_;
  std::deque<ProbeReport> history_;
};

}  // namespace dixis
