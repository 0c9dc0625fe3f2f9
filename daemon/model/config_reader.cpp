#include "daemon/model/config_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <tuple>

#include "daemon/model/config_synonyms.hpp"
#include "daemon/model/words.hpp"

namespace dixis {
namespace {

// An anchor may merge itself, and a list of merges at each depth multiplies.
constexpr int kDeepestMerge = 16;
constexpr int kMostMerges = 10'000;

SourcePosition position(const YAML::Node& node, const SourcePosition& otherwise) {
  const auto mark = node.Mark();
  if (mark.is_null()) return otherwise;
  return {otherwise.file, mark.line + 1, mark.column + 1};
}

std::string listed(const std::vector<std::string>& words) {
  std::string result;
  for (std::size_t i = 0; i < words.size(); ++i)
    result += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + words[i];
  return result;
}

std::string kind_of(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  if (node.IsScalar()) return "a plain value";
  return "nothing";
}

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

template <class T>
std::string bounds_text(const Bounds<T>& bounds) {
  const auto plain = [](T value) {
    auto text = std::to_string(value);
    if (text.find('.') != std::string::npos) {
      text.erase(text.find_last_not_of('0') + 1);
      if (text.back() == '.') text.pop_back();
    }
    return text;
  };
  if (bounds.most == std::numeric_limits<T>::max()) return " of at least " + plain(bounds.least);
  return " from " + plain(bounds.least) + " to " + plain(bounds.most);
}

}  // namespace

std::string ConfigValue::name() const {
  return path.substr(path.rfind('.') + 1);
}

void ConfigReader::add(Problem problem) {
  constexpr std::size_t kMost = 200;  // more than anybody reads; a broken file can have thousands
  if (problems_.size() > kMost) return;
  if (problems_.size() == kMost) {
    problem.path.clear();
    problem.message = "too many problems: the rest is not shown";
    problem.hint.clear();
  }
  // A mapping that is merged into several apps is read for each of them.
  const bool known =
      problem.line > 0 && std::any_of(problems_.begin(), problems_.end(), [&](const Problem& p) {
        return p.line == problem.line && p.column == problem.column && p.file == problem.file &&
               p.message == problem.message;
      });
  if (!known) problems_.push_back(std::move(problem));
}

void ConfigReader::problem(const SourcePosition& at, std::string path, std::string message,
                           std::string hint) {
  add({at.file, at.line, at.column, std::move(path), std::move(message), std::move(hint), false});
}

void ConfigReader::warning(const SourcePosition& at, std::string path, std::string message,
                           std::string hint) {
  add({at.file, at.line, at.column, std::move(path), std::move(message), std::move(hint), true});
}

bool ConfigReader::failed() const {
  return std::any_of(problems_.begin(), problems_.end(),
                     [](const Problem& problem) { return !problem.warning; });
}

std::vector<Problem> ConfigReader::take_problems() {
  std::map<std::string, std::size_t> order;  // of the files, as they first came up
  for (const auto& problem : problems_) order.emplace(problem.file, order.size());
  std::stable_sort(problems_.begin(), problems_.end(), [&](const Problem& a, const Problem& b) {
    return std::tuple(order[a.file], a.line, a.column) <
           std::tuple(order[b.file], b.line, b.column);
  });
  return std::move(problems_);
}

void ConfigReader::problem(const ConfigValue& value, std::string message, std::string hint) {
  problem(value.at, value.path, std::move(message), std::move(hint));
}

void ConfigReader::not_in_this_version(const ConfigValue& value, const std::string& what) {
  problem(value.key, value.path, what + " not in this version of dixis",
          "leave it out until a version has it");
}

void ConfigReader::wrong_kind(const ConfigValue& value, std::string_view expected) {
  std::string hint;
  if (value.node.IsScalar()) {
    // "port:3000", where YAML sees one text
    const auto text = value.node.Scalar();
    const auto colon = text.find(':');
    if (colon != std::string::npos && colon + 1 < text.size() && text[colon + 1] != ' ' &&
        expected.find("mapping") != std::string_view::npos)
      hint = "after the colon of a key comes a blank";
  } else if (value.node.IsMap() && expected.find("mapping") == std::string_view::npos) {
    hint = "text with ': ' in it, or in {braces}, must be quoted";
  }
  problem(value, "expected " + std::string(expected) + "; this is " + kind_of(value.node), hint);
}

bool ConfigReader::has_value(const ConfigValue& value) {
  if (value.node.IsDefined() && !value.node.IsNull()) return true;
  problem(value.key, value.path, "'" + value.name() + "' has no value",
          "give it one, or leave the line out; what belongs to it is indented more than it is");
  return false;
}

void ConfigReader::unknown_key(const ConfigEntry& entry, const std::vector<std::string>& known) {
  auto hint = key_synonym(entry.name);
  if (hint.empty() ||
      std::find(known.begin(), known.end(), hint.substr(0, hint.find('.'))) == known.end()) {
    hint = nearest(entry.name, known).value_or("");
  }
  problem(entry.value.key, entry.value.path, "unknown key '" + entry.name + "'",
          hint.empty() ? "known here: " + listed(known) : "did you mean '" + hint + "'?");
}

std::optional<std::vector<ConfigEntry>> ConfigReader::entries(
    const ConfigValue& map, const std::vector<std::string>& keys) {
  constexpr std::size_t kMostShown = 9;
  if (!map.node.IsMap()) {
    wrong_kind(map, keys.empty() || keys.size() > kMostShown
                        ? "a mapping (KEY: VALUE lines)"
                        : "a mapping (KEY: VALUE lines) with the keys " + listed(keys));
    return std::nullopt;
  }
  std::vector<ConfigEntry> result;
  add_entries(map, result, 0);
  return result;
}

void ConfigReader::add_entries(const ConfigValue& map, std::vector<ConfigEntry>& entries,
                               int depth) {
  std::map<std::string, SourcePosition> own;
  std::vector<ConfigValue> merges;
  for (const auto& pair : map.node) {
    const auto key_at = position(pair.first, map.at);
    if (!pair.first.IsScalar() || pair.first.Scalar().find('\0') != std::string::npos) {
      problem(key_at, map.path, "a key must be plain text; this is " + kind_of(pair.first),
              pair.first.IsMap() ? "is this a template that was not filled in?" : "");
      continue;
    }
    const auto& name = pair.first.Scalar();
    ConfigValue value{pair.second, map.path.empty() ? name : map.path + "." + name,
                      position(pair.second, key_at), key_at};
    if (name == "<<" && pair.first.Tag() != "!") {
      merges.push_back(std::move(value));
      continue;
    }
    const auto [first, is_new] = own.emplace(name, key_at);
    if (!is_new) {
      problem(key_at, value.path,
              "'" + name + "' is here twice; first in line " + std::to_string(first->second.line),
              "remove one of the two");
      continue;
    }
    // What is merged in never replaces what is there.
    const bool there =
        depth > 0 && std::any_of(entries.begin(), entries.end(),
                                 [&](const ConfigEntry& entry) { return entry.name == name; });
    if (!there) entries.push_back({name, std::move(value)});
  }
  for (const auto& merged : merges) merge(merged, entries, depth + 1);
}

void ConfigReader::merge(const ConfigValue& merged, std::vector<ConfigEntry>& entries, int depth) {
  if (depth > kDeepestMerge || ++merges_ > kMostMerges) {
    problem(merged.key, merged.path, "merge keys are nested too deep, or an anchor merges itself");
    return;
  }
  const auto dot = merged.path.rfind('.');
  const auto parent = dot == std::string::npos ? std::string{} : merged.path.substr(0, dot);
  const auto take = [&](const YAML::Node& node) {
    ConfigValue map{node, parent, position(node, merged.at), merged.key};
    if (node.IsMap()) {
      add_entries(map, entries, depth);
    } else {
      problem(map.at, merged.path,
              "expected a mapping, or an alias of one, to merge; this is " + kind_of(node));
    }
  };
  if (!merged.node.IsSequence()) {
    take(merged.node);
    return;
  }
  for (const auto& node : merged.node) take(node);
}

std::vector<ConfigValue> ConfigReader::items(const ConfigValue& list) {
  if (!list.node.IsSequence()) return {list};
  std::vector<ConfigValue> result;
  std::size_t index = 0;
  for (const auto& node : list.node) {
    const auto at = position(node, list.at);
    const auto path = list.path + "[" + std::to_string(index++) + "]";
    // NOLINTNEXTLINE(cppcoreguidelines-slicing): yaml-cpp's elements are nodes and more
    result.push_back({node, path, at, at});
  }
  return result;
}

std::optional<std::string> ConfigReader::text(const ConfigValue& value, std::string_view expected) {
  if (!value.node.IsScalar()) {
    wrong_kind(value, expected);
    return std::nullopt;
  }
  auto result = value.node.Scalar();
  if (result.find('\0') != std::string::npos) {
    problem(value, "a NUL byte can't stand here");
    return std::nullopt;
  }
  return result;
}

std::optional<bool> ConfigReader::boolean(const ConfigValue& value) {
  const auto word = text(value, "true or false");
  if (!word) return std::nullopt;
  if (*word == "true" || *word == "false") return *word == "true";
  problem(value, "expected true or false; got '" + *word + "'");
  return std::nullopt;
}

std::optional<std::int64_t> ConfigReader::integer(const ConfigValue& value,
                                                  Bounds<std::int64_t> bounds) {
  const auto expected = "a whole number" + bounds_text(bounds);
  const auto word = text(value, expected);
  if (!word) return std::nullopt;
  const auto number = parse_number<std::int64_t>(*word);
  if (number && *number >= bounds.least && *number <= bounds.most) return number;
  problem(value, "expected " + expected + "; got '" + *word + "'");
  return std::nullopt;
}

std::optional<double> ConfigReader::number(const ConfigValue& value, Bounds<double> bounds) {
  const auto expected = "a number" + bounds_text(bounds);
  const auto word = text(value, expected);
  if (!word) return std::nullopt;
  const auto number = parse_number<double>(*word);
  if (number && std::isfinite(*number) && *number >= bounds.least && *number <= bounds.most)
    return number;
  problem(value, "expected " + expected + "; got '" + *word + "'");
  return std::nullopt;
}

std::optional<Milliseconds> ConfigReader::duration(const ConfigValue& value, Milliseconds least) {
  const auto word = text(value, "a duration such as 10s");
  if (!word) return std::nullopt;
  const auto parsed = parse_duration(*word);
  if (!parsed) {
    problem(value, parsed.error().message, parsed.error().hint);
    return std::nullopt;
  }
  if (*parsed >= least) return *parsed;
  problem(value, "expected a duration of at least " + std::to_string(least.count()) + "ms; got '" +
                     *word + "'");
  return std::nullopt;
}

std::optional<std::uint64_t> ConfigReader::size(const ConfigValue& value) {
  const auto word = text(value, "a size such as 512M");
  if (!word) return std::nullopt;
  const auto parsed = parse_size(*word);
  if (parsed) return *parsed;
  problem(value, parsed.error().message, parsed.error().hint);
  return std::nullopt;
}

std::optional<std::size_t> ConfigReader::choice(const ConfigValue& value,
                                                std::span<const std::string_view> choices) {
  const std::vector<std::string> words(choices.begin(), choices.end());
  const auto word = text(value, listed(words));
  if (!word) return std::nullopt;
  const auto found = std::find(words.begin(), words.end(), *word);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  const auto near = nearest(*word, words);
  problem(value, "expected " + listed(words) + "; got '" + *word + "'",
          near ? "did you mean '" + *near + "'?" : "");
  return std::nullopt;
}

std::vector<std::string> ConfigReader::texts(const ConfigValue& value, std::string_view expected) {
  std::vector<std::string> result;
  for (const auto& item : items(value)) {
    auto word = text(item, expected);
    if (word && word->empty()) {
      problem(item, "expected " + std::string(expected) + "; this is empty");
    } else if (word) {
      result.push_back(std::move(*word));
    }
  }
  return result;
}

}  // namespace dixis
