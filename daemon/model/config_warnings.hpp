#pragma once

#include "daemon/model/config_apps.hpp"

namespace dixis {

/// Warns of what is valid and yet known to go wrong: no probe, tcp alone, `next dev`, NODE_ENV
/// unset, two ports, a keep-alive timeout below the proxy's. For an app that has no errors.
void warn_of_pitfalls(ConfigReader& reader, const AppDraft& app);

}  // namespace dixis
