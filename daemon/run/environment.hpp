#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/model/spec.hpp"
#include "daemon/sys/spawn.hpp"

namespace dixis {

using Environment = std::map<std::string, std::string>;

/// What identifies a generation in its own environment.
struct GenerationMark {
  std::uint32_t instance = 0;
  std::string tree{};  ///< the value of DIXIS_TREE
};

/// An app's environment (DESIGN §6): the user's variables as systemd sets them for User=, PATH,
/// LANG, env_file's and env's, and dixis's own. Nothing else of the daemon's. `from_files`: what
/// the env_files hold, the later ones over the earlier ones.
Environment app_environment(const AppSpec& spec, const Credentials& credentials,
                            const Environment& from_files, const GenerationMark& mark);

/// "NAME=value" for execve.
std::vector<std::string> to_envp(const Environment& environment);

/// The PATH of apps before `path` is put in front.
inline constexpr const char* kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace dixis
