#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "common/result.hpp"
#include "daemon/sys/fd.hpp"

/// A trace instance of our own (Documentation/trace/ftrace.rst, "Instances"): the kernel notes who
/// sends what kills, how watched processes end, and programs that start outside of where programs
/// are installed. It lets nothing else through, so that nobody wakes up while nothing of that
/// happens. It goes on while no daemon runs, and the next one reads what happened meanwhile.
namespace dixis {

struct Trace {
  UniqueFd pipe{};         ///< trace_pipe, non-blocking: lines for parse_trace_line()
  std::string name{};      ///< "dixis-0123456789abcdef"
  bool sees_ends = false;  ///< whether the kernel has probes (CONFIG_KPROBE_EVENTS)
};

/// Makes the instance, or takes over the one that a predecessor left, with what is in it. Needs
/// root and tracefs at /sys/kernel/tracing. Waits for all processors: for a worker.
Result<Trace> open_trace(const std::string& name);

/// Whose ends are noted, from now on: instead of those before. Worker.
void watch_ends(const std::string& name, const std::vector<pid_t>& pids);

/// Takes the instance away; its pipe must be closed. Worker, or where nothing runs any more.
void remove_trace(const std::string& name);

}  // namespace dixis
