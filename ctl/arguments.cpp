#include "ctl/arguments.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "ctl/moment.hpp"

namespace dixis::ctl {
namespace {

using std::string_view;

constexpr std::array kOptions{
    Option{"--socket", "PATH", "", "the daemon's socket"},
    Option{"--timeout", "DURATION", "",
           "how long a question, or a verb's first reply, may take (5s)"},
    Option{"--silence-timeout", "DURATION", "",
           "after how long without a sign of life a running verb is given up (30s)"},
    Option{"--json", "", "",
           "print one JSON document on standard output, messages on standard error"},
    Option{"--verbose", "", "", "print each step on standard error"},
    Option{"--help", "", "", "show help; after a verb, help on that verb"},
    Option{"--version", "", "", "show this program's version"},
    Option{"--no-wait", "", "start stop restart reload scale",
           "return once the daemon has accepted it"},
    Option{"--force", "", "restart", "skip the check before the running process is touched"},
    Option{"--or-restart", "", "reload", "restart an app that can't be reloaded without a gap"},
    Option{"--dry-run", "", "load", "show what would change; change nothing"},
    Option{"--all", "", "why", "every death that is kept, not only the last one"},
    Option{"--tree", "", "signal", "signal each process of the tree, not only the leader"},
    Option{"--cwd", "DIR", "add", "the app's working directory (the current one)"},
    Option{"--user", "USER", "add", "the user that the app runs as"},
    Option{"--env", "K=V", "add", "a variable of the app's environment; may be repeated"},
    Option{"--port", "PORT", "add", "the port that the app listens on"},
    Option{"--follow", "", "logs", "go on with what is written, over restarts; also -f"},
    Option{"--lines", "LINES", "logs",
           "the last so many lines, or `all` (100; with --since or --until: all); also -n, --tail"},
    Option{"--since", "TIME", "logs",
           "from a time on: 10m (ago), 14:30, '2026-01-02 14:30', yesterday, @1767360600"},
    Option{"--until", "TIME", "logs", "until a time"},
    Option{"--grep", "RE", "logs", "only lines that a regular expression matches (RE2)"},
    Option{"--err", "", "logs", "only standard error"},
    Option{"--out", "", "logs", "only standard output"},
    Option{"--instance", "N", "logs", "only this instance of each app"},
    Option{"--last-life", "", "logs", "only the process that ended last, of each instance"},
    Option{"--timestamps", "", "logs", "the time before each line"},
    Option{"--names", "", "logs",
           "the app's name before each line, also where the output is no terminal"},
    Option{"--reopen", "", "logs",
           "show nothing: find all log files anew, after another program rotated them"},
    Option{"--nostream", "", "logs", "as pm2 has it: don't follow, which is so without -f"},
};

Failure usage(std::string message, std::string hint = "see `dixisctl --help`") {
  return {Trouble::usage, std::move(message), std::move(hint)};
}

std::string quoted(string_view word) {
  return "'" + std::string(word) + "'";
}

bool has_word(string_view words, string_view word) {
  while (!words.empty()) {
    const std::size_t blank = std::min(words.find(' '), words.size());
    if (words.substr(0, blank) == word) return true;
    words.remove_prefix(std::min(blank + 1, words.size()));
  }
  return false;
}

std::size_t edit_distance(string_view a, string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, change}));
    }
  }
  return row.back();
}

/// Reads the words of one command line, left to right.
class Reader {
 public:
  explicit Reader(std::span<const std::string> words) : words_(words) {}

  Answer<Arguments> read() {
    while (at_ < words_.size()) {
      const std::string& word = words_[at_++];
      if (word == "--") {
        out_.has_command = true;
        out_.command.assign(words_.begin() + static_cast<std::ptrdiff_t>(at_), words_.end());
        break;
      }
      const auto read = word.starts_with('-') && word != "-" ? option(word) : operand(word);
      if (!read) return read.error();
    }
    for (const Option* option : given_) {
      if (out_.verb != nullptr && !option->verbs.empty() &&
          !has_word(option->verbs, out_.verb->name)) {
        return usage(std::string(out_.verb->name) + " has no option " + std::string(option->name),
                     help_hint());
      }
    }
    return std::move(out_);
  }

 private:
  Answer<void> operand(const std::string& word) {
    if (out_.verb != nullptr || out_.hidden_apps) {
      out_.operands.push_back(word);
      return {};
    }
    if (word == "__apps") {
      out_.hidden_apps = true;
      return {};
    }
    if (word == "help") {
      out_.help = true;
      return {};
    }
    out_.verb = find_verb(word);
    if (out_.verb != nullptr) return {};
    const auto near = nearest_verb(word);
    return usage(
        "there is no verb " + quoted(word),
        near ? "did you mean `dixisctl " + std::string(*near) + "`?" : "see `dixisctl --help`");
  }

  Answer<void> option(const std::string& word) {
    if (word == "-h") return set(*find("--help"), {});
    if (word == "-v") return set(*find("--verbose"), {});
    if (word == "-f") return set(*find("--follow"), {});
    if (word.starts_with("-n") && !word.starts_with("--")) {
      return word.size() > 2 ? set(*find("--lines"), word.substr(word[2] == '=' ? 3 : 2))
                             : with_value(*find("--lines"), "-n");
    }
    const std::size_t equals = word.find('=');
    const string_view name = string_view(word).substr(0, equals);
    const Option* option = find(name == "--tail" ? "--lines" : name);
    if (option == nullptr) return usage("there is no option " + quoted(name), help_hint());
    const bool joined = equals != std::string::npos;
    if (option->value.empty()) {
      if (joined) return usage("option " + std::string(name) + " takes no value", help_hint());
      return set(*option, {});
    }
    if (joined) return set(*option, word.substr(equals + 1));
    return with_value(*option, name);
  }

  Answer<void> with_value(const Option& option, string_view name) {
    if (at_ == words_.size()) {
      return usage("option " + std::string(name) + " needs a value: " + std::string(name) + " " +
                       std::string(option.value),
                   help_hint());
    }
    return set(option, words_[at_++]);
  }

  Answer<void> set(const Option& option, const std::string& value) {
    given_.push_back(&option);
    const string_view name = option.name;
    if (name == "--timeout") return duration(option, value, out_.timeout);
    if (name == "--silence-timeout") return duration(option, value, out_.silence_timeout);
    if (name == "--port") return port(value);
    if (name == "--env") return variable(value);
    if (name == "--lines") return lines(value);
    if (name == "--instance") return instance(value);
    if (name == "--since") return moment(option, value, out_.logs.since_ms);
    if (name == "--until") return moment(option, value, out_.logs.until_ms);
    const std::array<std::pair<string_view, bool*>, 17> flags{
        {{"--json", &out_.json},
         {"--verbose", &out_.verbose},
         {"--help", &out_.help},
         {"--version", &out_.version},
         {"--no-wait", &out_.no_wait},
         {"--force", &out_.force},
         {"--or-restart", &out_.or_restart},
         {"--dry-run", &out_.dry_run},
         {"--tree", &out_.tree},
         {"--all", &out_.all},
         {"--follow", &out_.logs.follow},
         {"--err", &out_.logs.err},
         {"--out", &out_.logs.out},
         {"--timestamps", &out_.logs.timestamps},
         {"--names", &out_.logs.names},
         {"--last-life", &out_.logs.last_life},
         {"--reopen", &out_.logs.reopen}}};
    for (const auto& [flag, target] : flags) {
      if (name == flag) *target = true;
    }
    if (name == "--socket") out_.socket = value;
    if (name == "--cwd") out_.cwd = value;
    if (name == "--user") out_.user = value;
    if (name == "--grep") out_.logs.grep = value;
    return {};
  }

  Answer<void> duration(const Option& option, const std::string& value,
                        std::chrono::milliseconds& target) {
    const auto parsed = parse_duration(value);
    if (!parsed || parsed->count() == 0) {
      return usage(std::string(option.name) + " " + quoted(value) + " is no duration",
                   "write it with its unit: 500ms, 10s, 1.5m, 2h");
    }
    target = *parsed;
    return {};
  }

  template <class T>
  static bool number(const std::string& value, std::optional<T>& target) {
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, target.emplace());
    return error == std::errc() && stop == end;
  }

  Answer<void> lines(const std::string& value) {
    out_.logs.lines.reset();
    out_.logs.all_lines = value == "all";
    if (out_.logs.all_lines || number(value, out_.logs.lines)) return {};
    return usage("--lines " + quoted(value) + " is no number of lines", "write a number, or `all`");
  }

  Answer<void> instance(const std::string& value) {
    if (number(value, out_.logs.instance)) return {};
    return usage("--instance " + quoted(value) + " is no number",
                 "instances of an app are counted from 0");
  }

  static Answer<void> moment(const Option& option, const std::string& value,
                             std::optional<std::int64_t>& target) {
    target = parse_moment(value, std::chrono::system_clock::now());
    if (target) return {};
    return usage(std::string(option.name) + " " + quoted(value) + " is no time",
                 "write how long ago (10m), or when: 14:30, '2026-01-02 14:30:05', "
                 "2026-01-02T14:30:05Z, today, yesterday, @SECONDS");
  }

  Answer<void> port(const std::string& value) {
    int number = 0;
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, number);
    if (error != std::errc() || stop != end || number < 1 || number > 65535) {
      return usage("--port " + quoted(value) + " is no port", "a port is a number, 1 to 65535");
    }
    out_.port = number;
    return {};
  }

  Answer<void> variable(const std::string& value) {
    const std::size_t equals = value.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return usage("--env " + quoted(value) + " is no variable", "write it as NAME=VALUE");
    }
    out_.env[value.substr(0, equals)] = value.substr(equals + 1);
    return {};
  }

  static const Option* find(string_view name) {
    const auto found = std::find_if(kOptions.begin(), kOptions.end(),
                                    [&](const Option& option) { return option.name == name; });
    return found == kOptions.end() ? nullptr : &*found;
  }

  std::string help_hint() const {
    return out_.verb == nullptr ? "see `dixisctl --help`"
                                : "see `dixisctl " + std::string(out_.verb->name) + " --help`";
  }

  std::span<const std::string> words_;
  std::size_t at_ = 0;
  Arguments out_;
  std::vector<const Option*> given_;
};

}  // namespace

std::span<const Option> options() {
  return kOptions;
}

bool belongs_to(const Option& option, string_view verb) {
  return has_word(option.verbs, verb);
}

Answer<Arguments> parse_arguments(std::span<const std::string> words) {
  return Reader(words).read();
}

std::optional<std::chrono::milliseconds> parse_duration(string_view text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || std::signbit(number)) return std::nullopt;
  const string_view unit(stop, static_cast<std::size_t>(end - stop));
  constexpr std::array<std::pair<string_view, double>, 5> kUnits{
      {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}}};
  for (const auto& [name, milliseconds] : kUnits) {
    if (unit != name) continue;
    const double total = number * milliseconds;
    if (!(total <= 365 * 86400e3)) return std::nullopt;
    return std::chrono::milliseconds(std::llround(total));
  }
  return std::nullopt;
}

std::optional<string_view> nearest_verb(string_view word) {
  std::optional<string_view> best;
  std::size_t best_distance = word.size() < 5 ? 2 : 3;  // further away isn't a typing error
  const auto consider = [&](string_view name) {
    const std::size_t distance = edit_distance(word, name);
    if (distance >= best_distance) return;
    best_distance = distance;
    best = name;
  };
  for (const Verb& verb : verbs()) {
    consider(verb.name);
    string_view rest = verb.alias;
    while (!rest.empty()) {
      const std::size_t blank = std::min(rest.find(' '), rest.size());
      consider(rest.substr(0, blank));
      rest.remove_prefix(std::min(blank + 1, rest.size()));
    }
  }
  return best;
}

}  // namespace dixis::ctl
