#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/model/config_reader.hpp"
#include "daemon/model/spec.hpp"

/// The tables of keys below `access` and `apps`.
namespace dixis {

/// An app as it is read: the spec, and what needs the other apps or keys to be checked.
struct AppDraft {
  AppSpec spec{};
  std::vector<std::pair<std::string, SourcePosition>> after{};
  std::optional<ConfigValue> port{};
  std::optional<ConfigValue> instances{};
  std::optional<ConfigValue> command{};
  std::vector<std::string> env_files{};
  std::vector<ConfigValue> own_listener{};  ///< keys that ask the app where it listens itself
};

/// Reads one app. `directory` is the absolute one of its file.
AppDraft read_app(ConfigReader& reader, const ConfigEntry& entry,
                  const std::filesystem::path& directory);

/// Reads `access`.
void read_access(ConfigReader& reader, const ConfigValue& value, Access& access);

/// The paths of all keys below `access` and `apps.*`.
void append_access_key_paths(std::vector<std::string>& paths);
void append_app_key_paths(std::vector<std::string>& paths);

}  // namespace dixis
