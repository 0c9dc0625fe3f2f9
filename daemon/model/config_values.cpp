#include "daemon/model/config_values.hpp"

#include "daemon/model/words.hpp"

namespace dixis {

std::vector<std::string> read_words(ConfigReader& reader, const ConfigValue& value) {
  constexpr auto* kEmpty = "the command is empty";
  constexpr auto* kFirstWord = "its first word is the program to run";
  std::vector<std::string> words;
  if (value.node.IsSequence()) {
    for (const auto& item : reader.items(value))
      if (auto word = reader.text(item, "a word of the command")) words.push_back(std::move(*word));
    if (words.empty() || words[0].empty()) reader.problem(value, kEmpty, kFirstWord);
    return words;
  }
  const auto line = reader.text(value, "a command, as text or as a list of words");
  if (!line) return words;
  auto split = split_words(*line);
  if (!split) {
    // A command may stand under another key than 'command'.
    constexpr std::string_view kKey = "command: ";
    auto hint = split.error().hint;
    if (const auto at = hint.find(kKey); at != std::string::npos)
      hint.replace(at, kKey.size(), value.name() + ": ");
    reader.problem(value, split.error().message, std::move(hint));
  } else if (split->front().empty()) {
    reader.problem(value, kEmpty, kFirstWord);
  } else {
    words = std::move(*split);
  }
  return words;
}

std::optional<std::string> path_text(ConfigReader& reader, const ConfigValue& value,
                                     std::string_view expected) {
  auto text = reader.text(value, expected);
  if (!text) return std::nullopt;
  if (text->empty()) {
    reader.problem(value, "expected " + std::string(expected) + "; this is empty");
  } else if (text->front() == '~') {
    reader.problem(value, "'~' is a shell's word for a home directory, and no shell runs here",
                   "write the path in full");
  } else if (text->find('$') != std::string::npos) {
    reader.problem(value, "variables are not filled in here: '" + *text + "'",
                   "write the path in full");
  } else {
    return text;
  }
  return std::nullopt;
}

std::filesystem::path absolute_path(const std::filesystem::path& base, const std::string& text) {
  auto path = (base / text).lexically_normal();
  if (!path.has_filename() && path.has_relative_path()) path = path.parent_path();
  return path;
}

}  // namespace dixis
