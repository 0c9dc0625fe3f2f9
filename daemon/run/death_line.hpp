#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "common/model.hpp"

/// A line of STATE/deaths.jsonl, see DOCUMENTS.md. Pure.
namespace dixis {

constexpr std::size_t kDeathsOfAnApp = 50;  ///< that many of its last ones are kept
constexpr std::size_t kDeathBytes = 8192;   ///< of one line, with its end
constexpr const char* kForgottenField = "forgotten";

/// The record as it is kept: valid UTF-8, at most 20 last lines, and small enough for a line of
/// 8 KiB. The oldest of the last lines go first.
DeathRecord bounded_death(DeathRecord record);

/// A death, or (without a record) that all earlier ones of the app are forgotten.
struct DeathLine {
  std::string app{};
  std::optional<DeathRecord> record{};

  /// The document and the line's end.
  std::string text() const;
};

}  // namespace dixis
