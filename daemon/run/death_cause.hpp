#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

#include "common/model.hpp"
#include "daemon/run/sightings.hpp"
#include "daemon/sys/oom_watch.hpp"
#include "daemon/sys/process.hpp"

namespace dixis {

/// What ended, for those who look for its cause.
struct Ended {
  pid_t pid = 0;
  std::int64_t begun_ms = 0;  ///< boot time of its start: what was seen before is another's
  std::int64_t at_ms = 0;     ///< boot time at which the end was noticed
  std::string cgroup{};       ///< its own, "/dixis.slice/dixis-web-0-1.scope"; empty: it had none
  const OomAccount* memory = nullptr;       ///< of that cgroup; null: not counted
  std::int64_t stop_timeout_ms = 0;         ///< how long it takes after a signal to end, at most
  std::optional<std::string> own_signal{};  ///< a verb sent what it died of: whose
};

/// How it ended, where nobody got an exit status (it wasn't our child): what the kernel noted.
/// Unknown if it noted nothing.
ExitStatus seen_status(const Sightings& seen, const Ended& ended);

/// Fills in cause, sender and detail of a death that we didn't want: as far as the kernel told, and
/// never a guess. `death` holds how it ended.
void find_cause(Death& death, const Sightings& seen, const Ended& ended);

/// "its limit is 64.0 MB, its peak was 64.0 MB, 1 process was killed".
std::string oom_words(const OomAccount& account, std::uint64_t killed);

}  // namespace dixis
