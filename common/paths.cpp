#include "common/paths.hpp"

#include <cstdlib>
#include <unistd.h>

namespace dixis {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> absolute_variable(const PathFacts& facts, const char* name) {
  const auto value = facts.variable(name);
  if (!value || !value->starts_with('/')) return std::nullopt;
  return fs::path(*value);
}

fs::path home_below(const PathFacts& facts, const char* variable, const char* below_home) {
  if (const auto given = absolute_variable(facts, variable)) return *given;
  return absolute_variable(facts, "HOME").value_or("/nonexistent") / below_home;
}

fs::path user_runtime(const PathFacts& facts) {
  const auto given = absolute_variable(facts, "XDG_RUNTIME_DIR");
  return given.value_or(fs::path("/run/user") / std::to_string(facts.uid)) / "dixis";
}

}  // namespace

PathFacts path_facts() {
  return {::geteuid(), [](const char* name) -> std::optional<std::string> {
            const char* value = std::getenv(name);
            if (value == nullptr) return std::nullopt;
            return std::string(value);
          }};
}

DefaultPaths default_paths(const PathFacts& facts) {
  if (facts.uid == 0) {
    return {"/etc/dixis/dixis.yaml", "/run/dixis", "/var/lib/dixis", "/var/log/dixis"};
  }
  const fs::path state = home_below(facts, "XDG_STATE_HOME", ".local/state") / "dixis";
  return {home_below(facts, "XDG_CONFIG_HOME", ".config") / "dixis/dixis.yaml", user_runtime(facts),
          state, state / "log"};
}

std::vector<fs::path> socket_candidates(const PathFacts& facts) {
  const auto given = facts.variable("DIXIS_SOCKET");
  if (given && !given->empty()) return {*given};
  const fs::path system = fs::path("/run/dixis") / kSocketName;
  if (facts.uid == 0) return {system};
  return {user_runtime(facts) / kSocketName, system};
}

}  // namespace dixis
