#pragma once

#include <string>

#include "daemon/run/services.hpp"
#include "daemon/sys/spawn.hpp"

namespace dixis {

/// How a command ended that was run for its answer.
struct CommandEnd {
  bool in_time = true;           ///< false: it was killed for its time limit, or never started
  std::optional<Error> error{};  ///< why it never started
  ExitStatus status{};
  std::string output{};  ///< the last 4 KiB that it wrote to stdout and stderr
};

/// Runs a command, at most for `limit`, and returns its end; `request` needs no descriptors.
/// Nothing of its tree, told by DIXIS_TREE in its environment, outlives the answer: it is killed
/// also where the caller is cancelled. Loop's thread.
Task<CommandEnd> run_command(Services& services, SpawnRequest request, std::string tree_mark,
                             Milliseconds limit);

/// The last line of an output that isn't blank.
std::string last_line(const std::string& output);

}  // namespace dixis
