#pragma once

#include <filesystem>
#include <string>

#include "common/result.hpp"
#include "daemon/run/supervisor.hpp"

/// The files that `add` writes and `remove` removes. They block: workers only.
namespace dixis {

/// apps.d/NAME.yaml beside the configuration.
std::filesystem::path app_file_of(const std::filesystem::path& config_file,
                                  const std::string& name);

/// Writes it, whole or not at all; refuses to replace one that is there. Gives its path.
Result<std::filesystem::path> write_app_file(const std::filesystem::path& config_file,
                                             const std::string& name, const NewApp& app);

Result<void> remove_app_file(const std::filesystem::path& file);

/// Renames `file` so that no include finds it, and gives its new path; refuses a file that `add`
/// didn't write for `name`.
Result<std::filesystem::path> put_app_file_aside(const std::filesystem::path& config_file,
                                                 const std::filesystem::path& file,
                                                 const std::string& name);
Result<void> put_app_file_back(const std::filesystem::path& aside,
                               const std::filesystem::path& file);

}  // namespace dixis
