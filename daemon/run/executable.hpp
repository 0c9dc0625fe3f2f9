#pragma once

#include <string>

#include "common/result.hpp"
#include "daemon/run/launch_plan.hpp"

namespace dixis {

/// Finds `name` as execvp would, with the app's credentials, cwd and PATH, and checks the
/// interpreter that a script names. The error says where a node of nvm, fnm or volta lies, if one
/// does. Blocks.
Result<std::string> find_executable(const std::string& name, const AppSpec& spec,
                                    const LaunchPlan& plan);

}  // namespace dixis
