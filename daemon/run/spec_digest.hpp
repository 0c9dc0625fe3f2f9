#pragma once

#include <string>

#include "daemon/model/spec.hpp"

namespace dixis {

/// Of all that a process of this app gets at its start (see needs_new_process): two that differ
/// tell that what runs isn't what is configured.
std::string spec_digest(const AppSpec& spec);

}  // namespace dixis
