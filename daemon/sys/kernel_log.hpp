#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "daemon/sys/fd.hpp"

/// The kernel's log (/dev/kmsg), for what it says of processes that it killed for memory.
namespace dixis {

struct OomKill {
  pid_t pid = 0;
  std::string comm{};
  std::string killed_in{};  ///< the cgroup of the process
  std::optional<std::string>
      limit_of{};          ///< the cgroup whose limit was reached; nullopt: the machine
  std::int64_t at_ms = 0;  ///< since boot
};

/// One record of /dev/kmsg: "6,1234,5678901,-;oom-kill:constraint=…". nullopt: another one.
std::optional<OomKill> parse_oom_kill(std::string_view record);

/// /dev/kmsg from its beginning, non-blocking; none where that isn't permitted.
UniqueFd open_kernel_log();

/// The next record that tells of such a kill; nullopt: none is left for now.
std::optional<OomKill> next_oom_kill(int log);

}  // namespace dixis
