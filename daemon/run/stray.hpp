#pragma once

#include "daemon/run/tree_scanner.hpp"
#include "daemon/sys/reaper.hpp"

namespace dixis {

/// Signals all of them that live, and waits until they have ended or the time is over.
Task<void> end_members(std::vector<ProcessFacts> members, Reaper& reaper, int signal,
                       std::chrono::steady_clock::time_point until);

/// Ends a tree that has no place any more: of an app that left the configuration while no daemon
/// ran, or what a leader left behind that died then. Asks its members (SIGTERM), kills them after
/// `grace`, and returns when none is left. Only for a tree whose identity is certain.
Task<void> end_stray(TreeScanner& trees, Reaper& reaper, TreeKey tree,
                     std::chrono::milliseconds grace);

}  // namespace dixis
