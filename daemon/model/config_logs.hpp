#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/model/config_apps.hpp"
#include "daemon/model/config_reader.hpp"
#include "daemon/model/log_spec.hpp"

namespace dixis {

/// The key `logs` of an app.
void read_logs(ConfigReader& reader, const ConfigValue& value, LogSpec& logs);

/// The key `logs` of the main file: what holds for all logs together.
void read_log_ceiling(ConfigReader& reader, const ConfigValue& value,
                      std::optional<std::uint64_t>& ceiling);

/// No two apps write to one file.
void check_log_files(ConfigReader& reader, const std::map<std::string, AppDraft>& drafts);

void append_log_ceiling_key_paths(std::vector<std::string>& paths);
void append_log_key_paths(std::vector<std::string>& paths, const std::string& app);

}  // namespace dixis
