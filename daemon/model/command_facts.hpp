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

/// Whether the command is `next start`, `next dev` or a standalone Next `server.js`. From the words
/// alone any `node server.js` looks like the latter; whether it is one, the directory tells.
enum class NextKind { none, start, dev, standalone };
NextKind next_kind(const std::vector<std::string>& command);

/// Whether an app is Next's, as far as its configuration tells: `build: next`, a command that runs
/// Next, or a word `next` or `.next` anywhere in it or at the end of the directory. What `npm
/// start` and a plain `node server.js` are, only the files could tell: these are taken for none.
bool looks_like_next(const AppSpec& spec);

/// The value of an option, in any of the ways to write one: `-p V`, `-pV`, `--port V`, `--port=V`.
std::optional<std::string> command_option(const std::vector<std::string>& command,
                                          std::string_view name);

/// The program that a command comes down to: without `env NAME=value`, `exec`, `npx` and the like,
/// and what is in `bash -c "…"` where that is one plain command. The command itself where it is
/// plain.
struct InnerCommand {
  std::vector<std::string> command{};
  std::map<std::string, std::string> environment{};  ///< what `env` or the shell sets before it
};
InnerCommand inner_command(const std::vector<std::string>& command);

/// Where the app will listen: `listen`/`port` of the configuration, the command's -p, --port,
/// --port= or PORT=, -S ADDR:PORT of php, PORT (and HOSTNAME, HOST) of the environment, 3000 for
/// Next. nullopt: it can't be known (or `port: none`).
std::optional<ListenAddress> listen_address(const AppSpec& spec,
                                            const std::vector<std::string>& command,
                                            const std::map<std::string, std::string>& environment);

/// The same, with an error where the command or PORT names a port that can't be understood.
Result<std::optional<ListenAddress>> find_listen_address(
    const AppSpec& spec, const std::vector<std::string>& command,
    const std::map<std::string, std::string>& environment);

/// The same for one of the app's instances, by its configuration alone: `{instance}` is filled in.
Result<std::optional<ListenAddress>> find_listen_address_of_instance(const AppSpec& spec,
                                                                     std::uint32_t instance);
std::optional<ListenAddress> listen_address_of_instance(const AppSpec& spec,
                                                        std::uint32_t instance);

/// "3000", "127.0.0.1:3000", "[::]:3000" or "localhost:3000".
Result<ListenAddress> parse_listen_address(std::string_view text);

/// `npm start`, `npm run X`, `pnpm …`, `yarn …`: the script's name, if this command is one.
std::optional<std::string> package_script(const std::vector<std::string>& command);

/// What `npm start` would run: the words of the script in `package_json` (its text), where nothing
/// stands in the way (pre-/post-script, shell syntax, script-shell of `npmrc`, PnP). The error says
/// what does; then the wrapper is run as it is. INIT_CWD and PATH are the caller's.
struct ResolvedScript {
  std::vector<std::string> command;
  std::map<std::string, std::string> environment;  ///< npm_package_name, npm_lifecycle_event, …
};
Result<ResolvedScript> resolve_script(const std::vector<std::string>& command,
                                      std::string_view package_json, std::string_view npmrc,
                                      bool has_pnp);

}  // namespace dixis
