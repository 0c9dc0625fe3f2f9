#include "common/verbs.hpp"

#include <algorithm>
#include <array>

namespace dixis {
namespace {

constexpr auto kViewer = Permission::viewer;
constexpr auto kOperator = Permission::operator_;
constexpr auto kOwner = Permission::owner;

// clang-format off
constexpr std::array kVerbs{
    Verb{"list", "ls status", "List", kViewer, "[APP...]",
         "show apps; with names, exit 3 unless all of them are online", true},
    Verb{"describe", "show", "Describe", kViewer, "APP...",
         "show all that is known of an app: command, tree, listeners, last start, last death", true},
    Verb{"start", "", "Start", kOperator, "APP... [--no-wait]",
         "start, and prove that it runs; a running one is proven, not restarted", true},
    Verb{"stop", "", "Stop", kOperator, "APP... [--no-wait]",
         "stop the whole tree, and verify that nothing of it is left", true},
    Verb{"restart", "", "Restart", kOperator, "APP... [--no-wait] [--force]",
         "check, stop, start, and prove the new process; --force skips the check; --no-wait is refused "
         "while a build is under way", true},
    Verb{"reload", "", "Reload", kOperator, "APP... [--no-wait] [--or-restart]",
         "replace without losing a request: the new process is proven beside the old one, which then "
         "finishes what it has begun; --or-restart accepts a gap where that can't be", true},
    Verb{"scale", "", "Scale", kOperator, "APP NUMBER [--no-wait]",
         "run another number of instances, until the configuration says otherwise", true},
    Verb{"add", "", "Add", kOwner,
         "NAME [--cwd DIR] [--user USER] [--env K=V]... [--port PORT] -- COMMAND...",
         "write apps.d/NAME.yaml, load it, and prove the app", false},
    Verb{"remove", "", "Remove", kOwner, "NAME", "stop an app and remove what add wrote", true},
    Verb{"ping", "", "Ping", kViewer, "", "ask whether the daemon answers", false},
    Verb{"probe", "", "Probe", kViewer, "APP...", "ask an app for its health now", true},
    Verb{"logs", "", "Logs", kViewer,
         "[APP...] [-f] [-n LINES] [--since TIME] [--until TIME] [--grep RE] [--err|--out]",
         "show what apps wrote, merged by time; -f goes on with what they write", true},
    Verb{"flush", "", "Flush", kOperator, "APP...",
         "empty the logs of an app, what was rotated included", true},
    Verb{"events", "", "Subscribe", kViewer, "[APP...]",
         "show what happens, as it happens, until Ctrl-C", true},
    Verb{"why", "", "Deaths", kViewer, "APP... [--all]", "explain the last death of an app, or all",
         true},
    Verb{"signal", "", "Signal", kOperator, "SIGNAL APP... [--tree]",
         "send a signal to the leader, or to each process of the tree", true},
    Verb{"check", "", "", kViewer, "[FILE]", "check a configuration; touches nothing", false},
    Verb{"load", "", "LoadConfig", kOperator, "[FILE] [--dry-run]",
         "check and load the configuration; --dry-run shows what would change", false},
    Verb{"upgrade", "", "Upgrade", kOwner, "[BINARY]",
         "replace the running daemon; apps go on", false},
    Verb{"version", "", "", kViewer, "", "show the versions of client and daemon", false},
    Verb{"completion", "", "", kViewer, "bash|zsh|fish", "print the completion of a shell", false},
};
// clang-format on

bool has_alias(const Verb& verb, std::string_view name) {
  std::string_view rest = verb.alias;
  while (!rest.empty()) {
    const std::size_t blank = std::min(rest.find(' '), rest.size());
    if (rest.substr(0, blank) == name) return true;
    rest.remove_prefix(std::min(blank + 1, rest.size()));
  }
  return false;
}

}  // namespace

std::span<const Verb> verbs() {
  return kVerbs;
}

const Verb* find_verb(std::string_view name) {
  const auto found = std::find_if(kVerbs.begin(), kVerbs.end(), [&](const Verb& verb) {
    return verb.name == name || has_alias(verb, name);
  });
  return found == kVerbs.end() || name.empty() ? nullptr : &*found;
}

Permission permission_of(std::string_view method) {
  const auto found = std::find_if(kVerbs.begin(), kVerbs.end(), [&](const Verb& verb) {
    return !method.empty() && verb.method == method;
  });
  // Who may begin one of them; whose it is, the handler looks at.
  if (method == "Follow") return Permission::operator_;
  // What no verb names (Shutdown, what a later version adds) is the owner's.
  return found == kVerbs.end() ? Permission::owner : found->permission;
}

}  // namespace dixis
