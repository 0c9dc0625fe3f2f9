#pragma once

#include "daemon/model/config_apps.hpp"

/// The keys `listen`, `port`, `instances` and `reload`, and what they mean together.
namespace dixis {

void read_listen(ConfigReader& reader, const ConfigValue& value, AppDraft& app);
void read_port(ConfigReader& reader, const ConfigValue& value, AppDraft& app);
void read_instances(ConfigReader& reader, const ConfigValue& value, AppDraft& app);
void read_reload(ConfigReader& reader, const ConfigValue& value, AppDraft& app);

/// Where the app listens, once all of its keys are read.
void settle_port(ConfigReader& reader, AppDraft& app);

/// The paths of the keys below `reload`.
void append_reload_key_paths(std::vector<std::string>& paths, const std::string& app);

}  // namespace dixis
