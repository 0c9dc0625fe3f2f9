#include "common/logs/pattern.hpp"

#include <re2/re2.h>

namespace dixis::logs {
namespace {

constexpr std::size_t kLongest = 1'000;
/// For the program and the states that it meets.
constexpr std::int64_t kMemory = 2 << 20;

}  // namespace

Pattern::Pattern(std::unique_ptr<const re2::RE2> expression) : expression_(std::move(expression)) {}

Pattern::~Pattern() = default;

Result<std::shared_ptr<const Pattern>> Pattern::compile(const std::string& expression) {
  if (expression.size() > kLongest) {
    return Error{"the expression is longer than " + std::to_string(kLongest) + " bytes",
                 "shorten it"};
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMemory);
  auto compiled = std::make_unique<const re2::RE2>(expression, options);
  if (!compiled->ok()) {
    return Error{"'" + expression + "' is not a regular expression: " + compiled->error(),
                 "it is read as RE2 reads it: Perl's syntax without back references; (?i) ignores "
                 "case"};
  }
  return std::shared_ptr<const Pattern>(new Pattern(std::move(compiled)));
}

bool Pattern::matches(std::string_view line) const {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return re2::RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), *expression_);
}

}  // namespace dixis::logs
