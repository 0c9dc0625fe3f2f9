#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "common/result.hpp"
#include "daemon/sys/spawn.hpp"

/// Files of apps, read with the app's own credentials (this thread's file-system ids and groups are
/// switched for the call). Workers only.
namespace dixis {

inline constexpr std::size_t kMaxAppFile = 1U << 20U;

/// The text of a regular file of at most 1 MiB; never waits on a fifo. Error{…} names file and why.
Result<std::string> read_app_file(const std::filesystem::path& file,
                                  const std::optional<Credentials>& credentials);

/// The first `bytes` bytes of a regular file of any size.
Result<std::string> read_app_file_head(const std::filesystem::path& file, std::size_t bytes,
                                       const std::optional<Credentials>& credentials);

/// access(2) with the app's credentials. 0 or the errno.
int check_access(const std::filesystem::path& file, int mode,
                 const std::optional<Credentials>& credentials);

/// User and group from the name services, supplementary groups included. May take long.
Result<Credentials> look_up_credentials(const std::optional<std::string>& user,
                                        const std::optional<std::string>& group);

}  // namespace dixis
