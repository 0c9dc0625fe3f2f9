#pragma once

#include <string>
#include <vector>

#include "daemon/model/config_apps.hpp"

/// The keys of an app that concern its health and its build.
namespace dixis {

/// One probe, a list of them, or none.
void read_health(ConfigReader& reader, const ConfigValue& value, AppDraft& app);
void read_on_unhealthy(ConfigReader& reader, const ConfigValue& value, AppDraft& app);
void read_build(ConfigReader& reader, const ConfigValue& value, AppDraft& app);
void read_on_new_build(ConfigReader& reader, const ConfigValue& value, AppDraft& app);
void read_new_build_settle(ConfigReader& reader, const ConfigValue& value, AppDraft& app);
void read_assets(ConfigReader& reader, const ConfigValue& value, AppDraft& app);

/// What depends on the app's other keys, once all are read.
void settle_health(ConfigReader& reader, AppDraft& app);

/// Their keys, below an app's.
void append_health_key_paths(std::vector<std::string>& paths, const std::string& app);

}  // namespace dixis
