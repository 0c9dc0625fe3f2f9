#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "daemon/model/spec.hpp"

/// What a command line says about itself.
namespace dixis {

/// Whether the command is `next start`, `next dev` or a standalone Next `server.js`.
enum class NextKind { none, start, dev, standalone };
NextKind next_kind(const std::vector<std::string>& command);

/// Where the app will listen: `listen`/`port` of the configuration, the command's -p, --port, --port=
/// or PORT=, -S ADDR:PORT of php, PORT (and HOSTNAME, HOST) of the environment, 3000 for Next.
/// nullopt: it can't be known (or `port: none`).
std::optional<ListenAddress> listen_address(const AppSpec& spec,
                                            const std::vector<std::string>& command,
                                            const std::map<std::string, std::string>& environment);

/// `npm start`, `npm run X`, `pnpm …`, `yarn …`: the script's name, if this command is one.
std::optional<std::string> package_script(const std::vector<std::string>& command);

/// What `npm start` would run: the words of the script in `package_json` (its text), where nothing
/// stands in the way (pre-/post-script, shell syntax, script-shell of `npmrc`, PnP). The error says
/// what does; then the wrapper is run as it is.
struct ResolvedScript {
  std::vector<std::string> command;
  std::map<std::string, std::string> environment;  ///< npm_package_name, npm_lifecycle_event, …
};
Result<ResolvedScript> resolve_script(const std::vector<std::string>& command,
                                      std::string_view package_json, std::string_view npmrc,
                                      bool has_pnp);

}  // namespace dixis
