#pragma once

#include <filesystem>

#include "daemon/sys/fd.hpp"

namespace dixis {

/// Opens a log or its index for reading and writing; makes it, and its directory, where they are
/// missing (0640 and 0750, of group `adm` where there is one and the daemon is root). 0, or the
/// errno. No symlink is followed. Blocks on the disk.
int open_log(const std::filesystem::path& path, UniqueFd& file);

}  // namespace dixis
