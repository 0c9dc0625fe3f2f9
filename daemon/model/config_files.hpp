#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "daemon/model/config_reader.hpp"

/// Where a configuration comes from: files, their owners, and the YAML in them.
namespace dixis {

/// Reads configuration files, and says what is wrong with them and with who may write them.
class ConfigFiles {
 public:
  ConfigFiles(ConfigReader& reader, bool check_ownership)
      : reader_(reader), check_ownership_(check_ownership) {}

  /// The document of a file; no node where it can't be read. An empty one is an empty mapping.
  std::optional<ConfigValue> load(const std::filesystem::path& file);

  /// The files that an `include` means, in order. A pattern that matches nothing is fine.
  std::vector<std::filesystem::path> included(const ConfigValue& pattern,
                                              const std::filesystem::path& directory);

  /// Whether this is the first time that the file is met (under any name).
  bool first_time(const std::filesystem::path& file);

 private:
  std::optional<std::string> read(const std::filesystem::path& file);
  void check_directory(const std::filesystem::path& directory);
  void file_problem(const std::filesystem::path& file, std::string message, std::string hint = {});

  ConfigReader& reader_;
  bool check_ownership_;
  std::set<std::filesystem::path> seen_files_{};
  std::set<std::filesystem::path> checked_directories_{};
};

}  // namespace dixis
