#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/model/command_facts.hpp"
#include "daemon/model/spec.hpp"
#include "daemon/sys/spawn.hpp"

namespace dixis {

/// What the package script that `command` names would run, read from the app's cwd with its
/// credentials; nullopt: it is none, or something stands in the way. Workers only.
std::optional<ResolvedScript> read_script(const std::vector<std::string>& command,
                                          const AppSpec& spec,
                                          const std::optional<Credentials>& credentials);

}  // namespace dixis
