#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>

namespace dixis {

/// Memory and processor time of a tree.
struct Usage {
  std::int64_t memory_bytes = 0;
  std::uint64_t cpu_us = 0;
  bool of_cgroup = false;  ///< memory: the cgroup's; else the sum of what its processes hold
};

/// `cgroup`: the directory of the tree's own; empty: it has none. Worker only.
Usage measure(pid_t leader, const std::string& cgroup);

}  // namespace dixis
