#include "daemon/model/words.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstring>
#include <fnmatch.h>
#include <limits>

namespace dixis {
namespace {

constexpr std::string_view kShellCharacters = "|&;<>()$`*?[";
// What only a shell can do; as the first word of a command it would just not be found.
constexpr std::array<std::string_view, 22> kShellWords = {
    "cd",    "exec",  "export",  "source",  ".",     "eval",  "set",  "ulimit",
    "umask", "trap",  "if",      "for",     "while", "until", "case", "{",
    "!",     "alias", "builtin", "command", "unset", "wait"};

Error shell_error(const std::string& what) {
  return {what + " means something to a shell, and no shell runs here",
          "write command: [bash, -c, '…'] if a shell is wanted, or quote it if it is meant as it "
          "stands"};
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_assignment(std::string_view word) {
  const auto equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  if (std::isdigit(static_cast<unsigned char>(word[0])) != 0) return false;
  return std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(equals),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

/// One pass over a line; each member function takes one kind of text off its front.
class Splitter {
 public:
  explicit Splitter(std::string_view line) : line_(line) {
    while (!line_.empty() && is_blank(line_.back()) && !ends_with_escaped_blank())
      line_.remove_suffix(1);
  }

  Result<std::vector<std::string>> run() {
    if (line_.find('\0') != std::string_view::npos) return Error{"it has a NUL byte in it"};
    while (at_ < line_.size() && is_blank(line_[at_])) ++at_;
    while (at_ < line_.size() && !error_) step();
    if (error_) return *error_;
    finish_word();
    if (error_) return *error_;
    if (words_.empty()) return Error{"the command is empty"};
    return words_;
  }

 private:
  // "a\ " ends with a blank that belongs to the word.
  bool ends_with_escaped_blank() const {
    std::size_t backslashes = 0;
    while (backslashes + 1 < line_.size() && line_[line_.size() - 2 - backslashes] == '\\')
      ++backslashes;
    return backslashes % 2 == 1 && line_.back() != '\n';
  }

  void step() {
    const char c = line_[at_];
    if (c == '\n') {
      fail(Error{"a new line would begin a second command",
                 "end the line before it with a backslash, or write the text with '>' instead of "
                 "'|'"});
    } else if (is_blank(c)) {
      finish_word();
      ++at_;
    } else if (c == '\'') {
      single_quoted();
    } else if (c == '"') {
      double_quoted();
    } else if (c == '\\') {
      escaped();
    } else if (kShellCharacters.find(c) != std::string_view::npos) {
      fail(shell_error(std::string("'") + c + "'"));
    } else if (!in_word_ && (c == '~' || c == '#')) {
      fail(shell_error(std::string("'") + c + "' at the start of a word"));
    } else {
      add(c);
      ++at_;
    }
  }

  void single_quoted() {
    const auto end = line_.find('\'', at_ + 1);
    if (end == std::string_view::npos) {
      fail(Error{"a ' is never closed", "add the second ', or write \\' for the character itself"});
      return;
    }
    word_.append(line_.substr(at_ + 1, end - at_ - 1));
    in_word_ = quoted_ = true;
    at_ = end + 1;
  }

  void double_quoted() {
    in_word_ = quoted_ = true;
    for (++at_; at_ < line_.size(); ++at_) {
      const char c = line_[at_];
      if (c == '"') {
        ++at_;
        return;
      }
      if (c == '$' || c == '`') {
        fail(shell_error(std::string("'") + c + "' within \"…\""));
        return;
      }
      if (c == '\\' && at_ + 1 < line_.size() &&
          std::strchr("$`\"\\\n", line_[at_ + 1]) != nullptr) {
        ++at_;
        if (line_[at_] == '\n') continue;
      }
      word_ += line_[at_];
    }
    fail(
        Error{"a \" is never closed", "add the second \", or write \\\" for the character itself"});
  }

  void escaped() {
    if (at_ + 1 >= line_.size()) {
      fail(Error{"it ends with a backslash", "write \\\\ for a backslash itself"});
      return;
    }
    if (line_[at_ + 1] == '\n') {  // a continued line
      at_ += 2;
      return;
    }
    quoted_ = true;
    add(line_[at_ + 1]);
    at_ += 2;
  }

  void add(char c) {
    word_ += c;
    in_word_ = true;
  }

  void finish_word() {
    if (!in_word_) return;
    if (words_.empty() && !quoted_) check_first_word();
    words_.push_back(std::move(word_));
    word_.clear();
    in_word_ = quoted_ = false;
  }

  void check_first_word() {
    if (is_assignment(word_)) {
      const auto name = word_.substr(0, word_.find('='));
      fail(Error{"'" + name + "=…' before the command is shell syntax, and no shell runs here",
                 "write env: {" + name + ": …} instead"});
    } else if (std::find(kShellWords.begin(), kShellWords.end(), word_) != kShellWords.end()) {
      auto error = shell_error("'" + word_ + "'");
      if (word_ == "exec")
        error.hint = "leave 'exec' out: the program is run without a shell anyway";
      if (word_ == "cd") error.hint = "write cwd: … instead";
      fail(std::move(error));
    }
  }

  void fail(Error error) {
    if (!error_) error_ = std::move(error);
    at_ = line_.size();
  }

  std::string_view line_;
  std::size_t at_ = 0;
  std::string word_{};
  bool in_word_ = false;
  bool quoted_ = false;
  std::vector<std::string> words_{};
  std::optional<Error> error_{};
};

struct Unit {
  std::string_view name;
  double factor;
};

/// The number that `text` begins with (digits, at most one point), and what follows it.
std::optional<std::pair<double, std::string_view>> leading_number(std::string_view text) {
  const auto end = std::min(text.find_first_not_of("0123456789."), text.size());
  double number = 0;
  const auto [stop, error] =
      std::from_chars(text.data(), text.data() + end, number, std::chars_format::fixed);
  if (error != std::errc{} || stop != text.data() + end || text[0] == '.' || text[end - 1] == '.')
    return std::nullopt;
  return std::pair{number, text.substr(end)};
}

template <std::size_t N>
const Unit* find_unit(const std::array<Unit, N>& units, std::string_view name) {
  const auto* unit =
      std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == name; });
  return unit == units.end() ? nullptr : unit;
}

constexpr std::array<Unit, 5> kTimeUnits = {
    {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}}};
constexpr std::array<Unit, 5> kSizeUnits = {
    {{"", 1}, {"K", 1024.0}, {"M", 1048576.0}, {"G", 1073741824.0}, {"T", 1099511627776.0}}};

std::string quoted(std::string_view text) {
  return "'" + std::string(text) + "'";
}

}  // namespace

Result<std::vector<std::string>> split_words(std::string_view line) {
  return Splitter(line).run();
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const Error expected{"expected a duration such as 150ms, 10s, 1.5m, 2h or 1d; got " +
                       quoted(text)};
  const auto number = leading_number(text);
  if (!number) return expected;
  if (number->second.empty())
    return Error{"expected a duration with its unit; got " + quoted(text),
                 "write " + std::string(text) + "s for seconds or " + std::string(text) +
                     "ms for milliseconds"};
  const auto* unit = find_unit(kTimeUnits, number->second);
  if (unit == nullptr) return Error{expected.message, "the units are ms, s, m, h and d"};
  const double milliseconds = std::round(number->first * unit->factor * 1e6) / 1e6;
  constexpr double kLongest = 100.0 * 365 * 86400e3;  // a century: more is a slip of the keyboard
  if (!(milliseconds <= kLongest)) return Error{quoted(text) + " is longer than a century"};
  if (milliseconds != std::floor(milliseconds))
    return Error{quoted(text) + " is not a whole number of milliseconds"};
  return std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds));
}

Result<std::uint64_t> parse_size(std::string_view text) {
  const Error expected{"expected a size such as 512M or 1.5G; got " + quoted(text),
                       "the units are K, M, G and T, powers of 1024"};
  const auto number = leading_number(text);
  if (!number) return expected;
  const auto* unit = find_unit(kSizeUnits, number->second);
  if (unit == nullptr) return expected;
  const double bytes = number->first * unit->factor;
  if (!(bytes < 9.2e18)) return Error{quoted(text) + " is more than any machine has"};
  if (unit->factor == 1 && bytes != std::floor(bytes))
    return Error{quoted(text) + " is not a whole number of bytes"};
  return static_cast<std::uint64_t>(bytes);
}

Result<int> parse_signal(std::string_view text) {
  std::string name(text);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (name.rfind("SIG", 0) == 0) name.erase(0, 3);
  std::vector<std::string> known;
  for (int signal = 1; signal < 32; ++signal) {
    const char* abbreviation = sigabbrev_np(signal);
    if (abbreviation == nullptr) continue;
    if (name == abbreviation) return signal;
    known.emplace_back(abbreviation);
  }
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size() && number >= 1 && number <= 64)
    return number;
  const auto near = nearest(name, known);
  return Error{"expected a signal such as SIGTERM, INT or 15; got " + quoted(text),
               near ? "did you mean SIG" + *near + "?" : ""};
}

std::string signal_name(int signal) {
  const char* abbreviation = signal > 0 ? sigabbrev_np(signal) : nullptr;
  if (abbreviation != nullptr) return std::string("SIG") + abbreviation;
  return "signal " + std::to_string(signal);
}

namespace {

/// Edit distance with transpositions of neighbours, letters' case and '-' against '_' ignored.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  const auto same = [](char x, char y) {
    const auto plain = [](char c) {
      return c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    };
    return plain(x) == plain(y);
  };
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1)});
      if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
  constexpr std::size_t kLongestWord = 64;  // nobody misspells more than that
  if (word.empty() || word.size() > kLongestWord) return std::nullopt;
  std::optional<std::string> best;
  std::size_t best_distance = std::numeric_limits<std::size_t>::max();
  for (const auto& candidate : known) {
    const auto distance = edit_distance(word, candidate);
    const auto near_enough = std::max<std::size_t>(1, std::max(word.size(), candidate.size()) / 3);
    if (distance <= near_enough && distance < candidate.size() && distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

bool glob_match(std::string_view pattern, std::string_view name) {
  return fnmatch(std::string(pattern).c_str(), std::string(name).c_str(), 0) == 0;
}

}  // namespace dixis
