#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/model/command_facts.hpp"
#include "daemon/model/words.hpp"
#include "daemon/run/executable.hpp"
#include "daemon/run/launch_plan.hpp"
#include "daemon/run/port_check.hpp"
#include "daemon/sys/app_files.hpp"

namespace dixis {

namespace {

namespace fs = std::filesystem;

Result<void> check_cwd(const AppSpec& spec, const std::optional<Credentials>& credentials) {
  struct stat facts {};
  const std::string what = "cannot start " + spec.name + ": cwd " + spec.cwd.string();
  if (::stat(spec.cwd.c_str(), &facts) != 0) {
    return errno_error(what, errno, "create it, or correct `cwd`");
  }
  if (!S_ISDIR(facts.st_mode)) return errno_error(what, ENOTDIR, "correct `cwd`");
  if (const int error = check_access(spec.cwd, X_OK, credentials); error != 0) {
    return errno_error(what + " as user " + (credentials ? credentials->user : "dixisd"), error,
                       "give that user access to the directory");
  }
  return {};
}

Result<Environment> read_env_files(const AppSpec& spec,
                                   const std::optional<Credentials>& credentials) {
  Environment out;
  for (const auto& file : spec.env_files) {
    auto text = read_app_file(file, credentials);
    if (!text) {
      return Error{"cannot start " + spec.name + ": env_file: " + text.error().message,
                   text.error().hint};
    }
    auto values = parse_dotenv(*text);
    if (!values) {
      return Error{"cannot start " + spec.name + ": env_file " + file.string() + ": " +
                       values.error().message,
                   values.error().hint};
    }
    for (auto& [name, value] : *values) out[name] = std::move(value);
  }
  return out;
}

/// `npm start` and its like become what the script says, where nothing stands in the way.
void resolve_package_script(LaunchPlan& plan, const AppSpec& spec) {
  if (!package_script(plan.argv)) return;
  const auto package_json = read_app_file(spec.cwd / "package.json", plan.credentials);
  if (!package_json) return;
  const auto npmrc = read_app_file(spec.cwd / ".npmrc", plan.credentials);
  const bool has_pnp = ::access((spec.cwd / ".pnp.cjs").c_str(), F_OK) == 0;
  const std::string npmrc_text = npmrc ? *npmrc : std::string();
  auto script = resolve_script(plan.argv, *package_json, npmrc_text, has_pnp);
  if (!script) return;
  plan.argv = std::move(script->command);
  for (auto& [name, value] : script->environment) plan.environment.insert({name, value});
  plan.environment.insert({"INIT_CWD", spec.cwd.string()});
  plan.environment["PATH"] =
      (spec.cwd / "node_modules/.bin").string() + ":" + plan.environment["PATH"];
}

}  // namespace

Result<LaunchPlan> preflight(const PreflightRequest& request) {
  const AppSpec& spec = request.spec;
  LaunchPlan plan;
  plan.argv = spec.command;

  auto identity = look_up_credentials(spec.user, spec.group);
  if (!identity) {
    return Error{"cannot start " + spec.name + ": " + identity.error().message,
                 identity.error().hint};
  }
  // Without `user` and `group` the child keeps what the daemon is.
  if (spec.user || spec.group) plan.credentials = *identity;
  if (const auto cwd = check_cwd(spec, plan.credentials); !cwd) return cwd.error();

  auto from_files = read_env_files(spec, plan.credentials);
  if (!from_files) return from_files.error();
  plan.environment = app_environment(spec, *identity, *from_files, request.mark);
  resolve_package_script(plan, spec);

  auto executable = find_executable(plan.argv.front(), spec, plan);
  if (!executable) return executable.error();
  plan.executable = std::move(*executable);

  plan.listen = listen_address(spec, plan.argv, plan.environment);
  if (plan.listen && request.check_port) {
    if (const auto free = check_port(spec.name, *plan.listen, request.own); !free) {
      return free.error();
    }
  }
  return plan;
}

}  // namespace dixis
