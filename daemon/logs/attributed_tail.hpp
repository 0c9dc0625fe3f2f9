#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "daemon/logs/log_settings.hpp"

namespace dixis {

/// The end of what a generation has written to a log, found by its index, in rotated files too:
/// at most `most` bytes, without the beginning of a line that is cut off. Nothing where the index
/// doesn't tell. Blocks on the disk.
std::string attributed_tail(const std::filesystem::path& log, const LogSource& source,
                            std::size_t most);

}  // namespace dixis
