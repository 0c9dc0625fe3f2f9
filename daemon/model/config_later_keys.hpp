#pragma once

#include <string>
#include <vector>

#include "daemon/model/config_reader.hpp"

/// Keys whose work isn't done yet: their form is checked, then they are 'not in this version'.
namespace dixis {

void read_reload(ConfigReader& reader, const ConfigValue& value);

/// Their keys, below an app's.
void append_later_key_paths(std::vector<std::string>& paths, const std::string& app);

}  // namespace dixis
