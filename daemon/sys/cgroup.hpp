#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

/// Control groups, version 2 (cgroup-v2.rst in the kernel's documentation). Small files of a file
/// system in memory.
namespace dixis {

/// The path behind "0::" of a /proc/PID/cgroup; nullopt: there is no version 2.
std::optional<std::string> cgroup_path(std::string_view text);

/// The directory of the group that a process is in, below /sys/fs/cgroup (or its `unified`, where
/// version 1 is used beside it); nullopt: there is none.
std::optional<std::string> cgroup_directory(pid_t pid);

/// Whether its processes' memory is counted and can be limited: not where version 1 has the
/// controllers.
bool counts_memory(const std::string& directory);

struct CgroupUsage {
  /// What the kernel can't take back without swapping or writing: memory.current without
  /// inactive_file, which is what `docker stats` and the kubelet show.
  std::optional<std::int64_t> memory_bytes{};
  std::optional<std::uint64_t> cpu_us{};
};
CgroupUsage read_cgroup_usage(const std::string& directory);

/// All processes in it and in the groups below. Empty too where it is gone.
std::vector<pid_t> cgroup_processes(const std::string& directory);

/// SIGKILL to all of them at once, faster than any of them can fork (cgroup.kill, kernel 5.14).
bool kill_cgroup(const std::string& directory);

/// A number of a "key value" file such as memory.events; nullopt: it isn't in there.
std::optional<std::uint64_t> keyed_number(std::string_view text, std::string_view key);

}  // namespace dixis
