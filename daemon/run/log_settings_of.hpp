#pragma once

#include "daemon/logs/log_settings.hpp"
#include "daemon/model/spec.hpp"

namespace dixis {

/// What the log layer has to know of an app. Files are rotated early enough that those which are
/// being written leave half of `max_total` to the rotated ones.
LogSettings log_settings_of(const AppSpec& spec);

}  // namespace dixis
