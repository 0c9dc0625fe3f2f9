#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/model.hpp"
#include "daemon/model/spec.hpp"

namespace dixis {

/// What loading a configuration gives: `config` is to be used only where no problem is an error.
struct LoadedConfig {
  Config config{};
  std::vector<Problem> problems{};
  bool ok() const;
};

/// How strict the look at files is.
struct ConfigOptions {
  /// Refuse files and directories that others may write (on in the daemon and in --check).
  bool check_ownership = true;
};

/// Reads `file` and what it includes, checks everything, and reports every problem it finds.
/// Blocks on the file system: call it before the loop runs, or on a worker.
LoadedConfig load_config(const std::filesystem::path& file, const ConfigOptions& options = {});

/// "FILE:LINE:COLUMN: error: PATH: MESSAGE (HINT)", one line.
std::string format_problem(const Problem& problem);

/// The keys of an app whose values differ, for the plan of a load.
std::vector<std::string> changed_keys(const AppSpec& before, const AppSpec& after);
/// Whether a change of these keys needs a new process.
bool needs_new_process(const std::vector<std::string>& keys);

/// Every key path that the parser knows ("apps.*.restart.backoff.first"), for the schema's test.
std::vector<std::string> known_key_paths();

}  // namespace dixis
