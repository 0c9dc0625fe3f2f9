#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/model/config_reader.hpp"

/// Values that several keys share.
namespace dixis {

/// A command: text, split as a shell splits words, or a list of words. Empty, with a problem, where
/// it is none.
std::vector<std::string> read_words(ConfigReader& reader, const ConfigValue& value);

/// The text of a path; what only a shell would fill in is a problem.
std::optional<std::string> path_text(ConfigReader& reader, const ConfigValue& value,
                                     std::string_view expected);

/// Without `.`, `..` and a slash at its end.
std::filesystem::path absolute_path(const std::filesystem::path& base, const std::string& text);

}  // namespace dixis
