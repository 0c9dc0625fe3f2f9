// restart_above: a soft limit of memory.
#include <chrono>

#include "daemon/run/instance.hpp"
#include "daemon/run/usage.hpp"

namespace dixis {

using namespace std::chrono_literals;

namespace {

constexpr Milliseconds kInterval = 10s;
/// A peak is no leak: it has to be above at that many looks in a row.
constexpr int kLooks = 3;

std::string mebibytes(std::uint64_t bytes) {
  return std::to_string(bytes >> 20U) + " MiB";
}

}  // namespace

/// Looks every 10 s while the generation serves and a threshold is set.
Task<void> Instance::follow_memory(std::shared_ptr<Generation> generation) {
  const auto self = shared_from_this();
  generation->memory_followed = true;
  for (int above = 0; serves(generation->number) && spec_.restart_above;) {
    const bool left = co_await generation->left.wait(kInterval);
    if (left || !serves(generation->number) || !spec_.restart_above) continue;
    auto work = [pid = generation->process.pid, cgroup = generation->tree.cgroup] {
      return measure(pid, cgroup);
    };
    const auto usage = co_await services_.proc_worker.run(std::move(work));
    co_await look_for_strangers({});
    const auto memory = static_cast<std::uint64_t>(usage.memory_bytes);
    above = spec_.restart_above && memory > *spec_.restart_above ? above + 1 : 0;
    if (above < kLooks || !serves(generation->number)) continue;
    above = 0;
    services_.restart_for_memory(self, mebibytes(memory) + " for 20 s, and restart_above is " +
                                           mebibytes(*spec_.restart_above));
  }
  generation->memory_followed = false;
}

/// After the generation began to serve, and after each change of the specification.
void Instance::begin_following_memory(const std::shared_ptr<Generation>& generation) {
  if (!spec_.restart_above || generation->memory_followed) return;
  spawn(follow_memory(generation));
}

}  // namespace dixis
