#include "daemon/run/package_script.hpp"

#include <unistd.h>

#include "daemon/sys/app_files.hpp"

namespace dixis {

std::optional<ResolvedScript> read_script(const std::vector<std::string>& command,
                                          const AppSpec& spec,
                                          const std::optional<Credentials>& credentials) {
  if (!package_script(command)) return std::nullopt;
  const auto package_json = read_app_file(spec.cwd / "package.json", credentials);
  if (!package_json) return std::nullopt;
  const auto npmrc = read_app_file(spec.cwd / ".npmrc", credentials);
  const bool has_pnp = ::access((spec.cwd / ".pnp.cjs").c_str(), F_OK) == 0;
  const std::string npmrc_text = npmrc ? *npmrc : std::string();
  auto script = resolve_script(command, *package_json, npmrc_text, has_pnp);
  if (!script) return std::nullopt;
  return *script;
}

}  // namespace dixis
