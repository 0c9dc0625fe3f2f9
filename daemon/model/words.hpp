#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

/// The small languages of the configuration.
namespace dixis {

/// Splits as a POSIX shell splits words: blanks, '…', "…", backslash. No expansion. Where an
/// unquoted character would have meant something to a shell (| & ; < > ( ) $ ` * ? [ # ~ = at the
/// start of the command…) the error says so and that `bash -c` or a list helps.
Result<std::vector<std::string>> split_words(std::string_view line);

/// "150ms", "10s", "1.5m", "2h", "1d". A bare number is an error: durations carry units.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "512", "64K", "1.5M", "2G" (powers of 1024), in bytes.
Result<std::uint64_t> parse_size(std::string_view text);

/// "TERM", "SIGTERM" or "15".
Result<int> parse_signal(std::string_view text);
/// "SIGTERM"; "signal 40" where there is no name.
std::string signal_name(int signal);

/// A .env file after the rules of npm's dotenv: comments, `export`, '…' raw, "…" with \n,
/// backquotes, values over several lines within quotes, no expansion. The error names the line.
Result<std::map<std::string, std::string>> parse_dotenv(std::string_view text);

/// The nearest of `known` by edit distance, if it is near enough to have been meant.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

/// Shell-style glob (`*`, `?`, `[…]`) against a whole name.
bool glob_match(std::string_view pattern, std::string_view name);

}  // namespace dixis
