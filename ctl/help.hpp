#pragma once

#include <string>

#include "common/verbs.hpp"

namespace dixis::ctl {

/// `dixisctl --help`, from the table of verbs.
std::string general_help();

/// `dixisctl VERB --help`.
std::string verb_help(const Verb& verb);

}  // namespace dixis::ctl
