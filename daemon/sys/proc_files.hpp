#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "daemon/sys/process_table.hpp"

/// Reading /proc with as few calls and copies as it takes. Private to daemon/sys.
namespace dixis::proc {

/// What one open and read give, into `buffer`; empty if that fails. Longer files are cut.
std::string_view read_small(const char* path, std::span<char> buffer);

/// The text of /proc/PID/stat, taken apart. The command's name may hold blanks and brackets.
std::optional<ProcessFacts> parse_stat(std::string_view text);

/// /proc/PID/stat; nullopt if there is no such process.
std::optional<ProcessFacts> read_stat(pid_t pid);

/// Calls `visit` with the number that each entry of a directory is named as.
void for_each_number(const char* directory, const std::function<void(int)>& visit);

/// The children of a process, by /proc/PID/task/*/children. nullopt where the kernel has no such
/// file (CONFIG_PROC_CHILDREN); empty if there is no such process.
std::optional<std::vector<pid_t>> children_of(pid_t pid);

}  // namespace dixis::proc
