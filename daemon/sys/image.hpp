#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "daemon/sys/fd.hpp"

/// The program that this process runs, and its replacement in place (execveat(2)).
namespace dixis {

/// Opens a program to be run later, whatever becomes of its file's name meanwhile: a regular file,
/// executable, of root or our own user, that nobody else may write. Blocks: for a worker.
Result<UniqueFd> open_image(const std::filesystem::path& file);

/// The program that runs now, also where its file has been replaced or removed.
Result<UniqueFd> open_own_image();

/// Where the running program's file was when it started. Blocks not: /proc.
std::filesystem::path own_image_path();

/// Replaces this process's program; `inherited` are the descriptors that stay open, all others have
/// to be close-on-exec. Same pid, children stay children; other threads end where they are. All
/// signals are blocked over it, and stay so in the new program until unblock_signals(). Returns
/// only if it failed, with everything as it was.
Error replace_image(int image, const std::vector<std::string>& argv,
                    const std::vector<std::string>& environment, const std::vector<int>& inherited);

void unblock_signals();

}  // namespace dixis
