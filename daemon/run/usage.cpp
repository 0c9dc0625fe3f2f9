#include "daemon/run/usage.hpp"

#include "daemon/sys/cgroup.hpp"
#include "daemon/sys/clock.hpp"
#include "daemon/sys/process_table.hpp"

namespace dixis {

Usage measure(pid_t leader, const std::string& cgroup) {
  Usage out;
  CgroupUsage counted;
  if (!cgroup.empty()) counted = read_cgroup_usage(cgroup);
  if (counted.memory_bytes && counted.cpu_us) {
    return {*counted.memory_bytes, *counted.cpu_us, true};
  }
  std::uint64_t ticks = 0;
  for (const auto& process : descendants(leader)) {
    out.memory_bytes += process.rss_bytes;
    ticks += process.cpu_ticks;
  }
  out.cpu_us = static_cast<std::uint64_t>(ticks_to_ms(ticks)) * 1000;
  return out;
}

}  // namespace dixis
