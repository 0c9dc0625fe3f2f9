// The language of .env files, as npm's dotenv 16 reads them. It is one regular expression there;
// here it is read by hand, so that a line that dotenv would silently skip can be named.
#include <cctype>
#include <string>

#include "daemon/model/words.hpp"

namespace dixis {
namespace {

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-';
}
bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (is_blank(text.front()) || text.front() == '\n')) text.remove_prefix(1);
  while (!text.empty() && (is_blank(text.back()) || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

std::string with_unix_line_ends(std::string_view text) {
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);  // a byte order mark
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') {
      result += '\n';
      if (i + 1 < text.size() && text[i + 1] == '\n') ++i;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string expand_line_ends(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == 'n' || text[i + 1] == 'r')) {
      result += text[i + 1] == 'n' ? '\n' : '\r';
      ++i;
    } else {
      result += text[i];
    }
  }
  return result;
}

class DotenvReader {
 public:
  explicit DotenvReader(std::string text) : text_(std::move(text)) {}

  Result<std::map<std::string, std::string>> run() {
    if (text_.find('\0') != std::string::npos) return Error{"it has a NUL byte in it"};
    while (at_ < text_.size()) {
      skip_blanks();
      if (at_ >= text_.size()) break;
      if (text_[at_] == '\n') {
        next_line();
      } else if (text_[at_] == '#') {
        at_ = line_end(at_);
      } else if (auto problem = entry()) {
        return *problem;
      }
    }
    return values_;
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }
  void next_line() {
    ++at_;
    ++line_;
  }
  std::size_t line_end(std::size_t from) const {
    return std::min(text_.find('\n', from), text_.size());
  }

  Error problem(const std::string& what) const {
    // Never the line itself: it may hold a secret.
    return {"line " + std::to_string(line_) + ": " + what};
  }

  std::string name() {
    const auto begin = at_;
    while (at_ < text_.size() && is_name_character(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  std::optional<Error> entry() {
    auto key = name();
    const bool blank_follows = at_ < text_.size() && is_blank(text_[at_]);
    skip_blanks();
    if (key == "export" && blank_follows && at_ < text_.size() && is_name_character(text_[at_])) {
      key = name();
      skip_blanks();
    }
    if (key.empty()) return problem("expected NAME=value, a comment or an empty line");
    const bool colon = at_ + 1 < text_.size() && text_[at_] == ':' && is_blank(text_[at_ + 1]);
    if (!colon && (at_ >= text_.size() || text_[at_] != '='))
      return problem("'" + key + "' is not followed by '='");
    ++at_;
    return value(key);
  }

  std::optional<Error> value(const std::string& key) {
    skip_blanks();
    const char quote = at_ < text_.size() ? text_[at_] : '\n';
    if (quote == '\'' || quote == '"' || quote == '`') {
      if (quoted_value(key, quote)) return std::nullopt;
      if (text_.find(quote, at_ + 1) == std::string::npos)
        return problem(std::string("the ") + quote + " that '" + key +
                       "' begins with is never closed");
    }
    return plain_value(key);
  }

  /// Where a closed quote is followed by nothing but blanks and a comment. The last such quote
  /// counts: dotenv's regular expression is greedy, but \" inside never ends the value.
  bool quoted_value(const std::string& key, char quote) {
    auto end = at_ + 1;
    while (end < text_.size() && text_[end] != quote)
      end += (text_[end] == '\\' && end + 1 < text_.size() && text_[end + 1] == quote) ? 2 : 1;
    if (end >= text_.size()) return false;
    auto after = end + 1;
    while (after < text_.size() && is_blank(text_[after])) ++after;
    if (after < text_.size() && text_[after] != '\n' && text_[after] != '#') return false;
    const auto inside = std::string_view(text_).substr(at_ + 1, end - at_ - 1);
    for (const char c : inside) line_ += c == '\n' ? 1 : 0;
    values_[key] = quote == '"' ? expand_line_ends(inside) : std::string(inside);
    at_ = line_end(after);
    return true;
  }

  std::optional<Error> plain_value(const std::string& key) {
    const auto end = line_end(at_);
    auto value = std::string_view(text_).substr(at_, end - at_);
    value = trim(value.substr(0, value.find('#')));
    const char first = value.empty() ? '\0' : value.front();
    if (value.size() >= 2 && (first == '\'' || first == '"' || first == '`') &&
        value.back() == first)
      value = value.substr(1, value.size() - 2);
    values_[key] = first == '"' ? expand_line_ends(value) : std::string(value);
    at_ = end;
    return std::nullopt;
  }

  std::string text_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::map<std::string, std::string> values_{};
};

}  // namespace

Result<std::map<std::string, std::string>> parse_dotenv(std::string_view text) {
  return DotenvReader(with_unix_line_ends(text)).run();
}

}  // namespace dixis
