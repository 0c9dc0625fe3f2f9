#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/model/config_reader.hpp"
#include "daemon/model/spec.hpp"

/// One probe of `health`.
namespace dixis {

/// A probe, and the key that says what it asks.
struct ReadProbe {
  ProbeSpec spec{};
  ConfigValue kind{};
};

/// Reads one mapping; nothing, with a problem, where it can't be told what it asks.
std::optional<ReadProbe> read_probe(ConfigReader& reader, const ConfigValue& value);

/// The keys of a probe.
void append_probe_key_paths(std::vector<std::string>& paths, const std::string& prefix);

}  // namespace dixis
