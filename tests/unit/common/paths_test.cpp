#include "common/paths.hpp"

#include <map>

#include <catch2/catch.hpp>

using namespace dixis;
using Paths = std::vector<std::filesystem::path>;

namespace {

PathFacts facts(uid_t uid, std::map<std::string, std::string> environment) {
  return {uid, [environment](const char* name) -> std::optional<std::string> {
            const auto found = environment.find(name);
            if (found == environment.end()) return std::nullopt;
            return found->second;
          }};
}

}  // namespace

TEST_CASE("root has the system's directories, whatever the environment says", "[paths]") {
  const auto paths = default_paths(facts(0, {{"HOME", "/root"}, {"XDG_STATE_HOME", "/x"}}));
  CHECK(paths.config == "/etc/dixis/dixis.yaml");
  CHECK(paths.runtime_dir == "/run/dixis");
  CHECK(paths.state_dir == "/var/lib/dixis");
  CHECK(paths.log_dir == "/var/log/dixis");
}

TEST_CASE("others have their XDG directories", "[paths]") {
  const auto paths = default_paths(facts(1001, {{"HOME", "/home/deploy"}}));
  CHECK(paths.config == "/home/deploy/.config/dixis/dixis.yaml");
  CHECK(paths.runtime_dir == "/run/user/1001/dixis");
  CHECK(paths.state_dir == "/home/deploy/.local/state/dixis");
  CHECK(paths.log_dir == "/home/deploy/.local/state/dixis/log");

  const auto set = default_paths(facts(1001, {{"HOME", "/home/deploy"},
                                              {"XDG_CONFIG_HOME", "/c"},
                                              {"XDG_RUNTIME_DIR", "/r"},
                                              {"XDG_STATE_HOME", "relative"}}));
  CHECK(set.config == "/c/dixis/dixis.yaml");
  CHECK(set.runtime_dir == "/r/dixis");
  CHECK(set.state_dir == "/home/deploy/.local/state/dixis");
}

TEST_CASE("a client looks for its own daemon first, then for the system's", "[paths]") {
  CHECK(socket_candidates(facts(0, {{"XDG_RUNTIME_DIR", "/r"}})) ==
        Paths{"/run/dixis/control.sock"});
  CHECK(socket_candidates(facts(1001, {{"XDG_RUNTIME_DIR", "/r"}})) ==
        Paths{"/r/dixis/control.sock", "/run/dixis/control.sock"});
  CHECK(socket_candidates(facts(1001, {})) ==
        Paths{"/run/user/1001/dixis/control.sock", "/run/dixis/control.sock"});
  CHECK(socket_candidates(facts(0, {{"DIXIS_SOCKET", "/s"}})) == Paths{"/s"});
}
