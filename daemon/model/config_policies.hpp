#pragma once

#include <string>
#include <vector>

#include "daemon/model/config_reader.hpp"
#include "daemon/model/spec.hpp"

/// The mappings below `start`, `stop`, `restart` and `limits`.
namespace dixis {

void read_start(ConfigReader& reader, const ConfigValue& value, StartPolicy& policy);
/// A mapping, or the signal alone.
void read_stop(ConfigReader& reader, const ConfigValue& value, StopPolicy& policy);
void read_restart(ConfigReader& reader, const ConfigValue& value, RestartPolicy& policy);
void read_limits(ConfigReader& reader, const ConfigValue& value, std::vector<ResourceLimit>& limits,
                 TreeLimits& tree_limits);
/// A size that an app can live in.
std::optional<std::uint64_t> read_memory(ConfigReader& reader, const ConfigValue& value);

/// Their keys, below an app's.
void append_policy_key_paths(std::vector<std::string>& paths, const std::string& app);

}  // namespace dixis
