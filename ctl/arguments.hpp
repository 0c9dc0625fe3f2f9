#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/verbs.hpp"
#include "ctl/failure.hpp"

namespace dixis::ctl {

/// What `logs` shows, and how.
struct LogArguments {
  bool follow = false;
  std::optional<std::uint64_t> lines{};    ///< nullopt: not given
  bool all_lines = false;                  ///< `--lines all`
  std::optional<std::int64_t> since_ms{};  ///< Unix time
  std::optional<std::int64_t> until_ms{};
  std::optional<std::string> grep{};
  std::optional<std::uint32_t> instance{};
  bool err = false;
  bool out = false;
  bool timestamps = false;
  bool names = false;
  bool last_life = false;
  bool reopen = false;
};

/// A command line, read and checked.
struct Arguments {
  const Verb* verb = nullptr;           ///< null: only --help or --version was asked for
  std::vector<std::string> operands{};  ///< what isn't an option, the verb left out
  std::vector<std::string> command{};   ///< what stands behind `--`
  bool has_command = false;             ///< whether there is a `--`

  std::optional<std::string> socket{};
  std::chrono::milliseconds timeout{5'000};           ///< questions, first replies
  std::chrono::milliseconds silence_timeout{30'000};  ///< streams
  bool json = false;
  bool verbose = false;
  bool help = false;
  bool version = false;
  bool hidden_apps = false;  ///< `__apps`, for completion

  bool no_wait = false;
  bool force = false;
  bool or_restart = false;  ///< reload: accept a gap
  bool dry_run = false;
  bool tree = false;
  bool all = false;  ///< why: every death that is kept
  std::optional<std::string> cwd{};
  std::optional<std::string> user{};
  std::map<std::string, std::string> env{};
  std::optional<int> port{};
  LogArguments logs{};
};

/// An option as --help and completion show it. Reading it is in arguments.cpp.
struct Option {
  std::string_view name;   ///< with its dashes
  std::string_view value;  ///< "DURATION"; empty for a flag
  std::string_view verbs;  ///< space-separated; empty: all
  std::string_view help;
};

/// All options, the common ones first.
std::span<const Option> options();
/// Whether an option is one of this verb's own.
bool belongs_to(const Option& option, std::string_view verb);

/// Reads a command line without the program's name. The failure is Trouble::usage.
Answer<Arguments> parse_arguments(std::span<const std::string> words);

/// "150ms", "10s", "1.5m", "2h"; nullopt for anything else, a bare number included.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

/// The verb or alias that was probably meant; nullopt if none is near.
std::optional<std::string_view> nearest_verb(std::string_view word);

}  // namespace dixis::ctl
