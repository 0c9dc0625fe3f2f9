#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace re2 {
class RE2;
}

namespace dixis::logs {

/// A regular expression that is matched in linear time and bounded memory, whoever wrote it and
/// whatever it is matched against (RE2's syntax: Perl's without back references). Immutable.
class Pattern {
 public:
  static Result<std::shared_ptr<const Pattern>> compile(const std::string& expression);
  ~Pattern();
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  /// Whether it matches anywhere in a line; its line end doesn't count.
  bool matches(std::string_view line) const;

 private:
  explicit Pattern(std::unique_ptr<const re2::RE2> expression);
  std::unique_ptr<const re2::RE2> expression_;
};

}  // namespace dixis::logs
