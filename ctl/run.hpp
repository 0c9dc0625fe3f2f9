#pragma once

#include <span>
#include <string>

namespace dixis::ctl {

/// All of dixisctl: reads the command line (without the program's name), carries the verb out and
/// returns the exit code.
int run(std::span<const std::string> words);

}  // namespace dixis::ctl
