#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/logs/within.hpp"
#include "daemon/model/command_facts.hpp"
#include "daemon/model/instance_words.hpp"
#include "daemon/model/words.hpp"
#include "daemon/run/adopter.hpp"
#include "daemon/run/executable.hpp"
#include "daemon/run/launch_plan.hpp"
#include "daemon/run/package_script.hpp"
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
  auto script = read_script(plan.argv, spec, plan.credentials);
  if (!script) return;
  plan.argv = std::move(script->command);
  for (auto& [name, value] : script->environment) plan.environment[name] = value;
  plan.environment["INIT_CWD"] = spec.cwd.string();
  plan.environment["PATH"] =
      (spec.cwd / "node_modules/.bin").string() + ":" + plan.environment["PATH"];
}

/// Where the app will listen; through `bash -c "npm start"` too, which is run as it is.
Result<std::optional<ListenAddress>> find_listen(const LaunchPlan& plan, const AppSpec& spec) {
  auto direct = find_listen_address(spec, plan.argv, plan.environment);
  if (!direct || *direct || spec.no_port) return direct;
  const auto inner = inner_command(plan.argv);
  const auto script = read_script(inner.command, spec, plan.credentials);
  if (!script) return direct;
  Environment environment = plan.environment;
  for (const auto& [name, value] : inner.environment) environment[name] = value;
  for (const auto& [name, value] : script->environment) environment[name] = value;
  return find_listen_address(spec, script->command, environment);
}

}  // namespace

Result<LaunchPlan> preflight(const PreflightRequest& request) {
  const AppSpec& spec = request.spec;
  LaunchPlan plan;
  for (const auto& word : spec.command) {
    plan.argv.push_back(for_instance(word, request.mark.instance));
  }

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

  auto listen = find_listen(plan, spec);
  if (!listen) {
    return Error{"cannot start " + spec.name + ": " + listen.error().message, listen.error().hint};
  }
  plan.listen = *listen;
  if (!spec.held.empty()) {
    const auto adopter = adopter_program();
    if (const int error = check_access(adopter, R_OK, plan.credentials); error != 0) {
      return errno_error("cannot start " + spec.name + ": the adopter " + adopter.string(), error,
                         "the app's user has to be able to read it: install dixis");
    }
  }
  if (plan.listen && request.check_port) {
    if (const auto free = check_port(spec.name, *plan.listen, request.own); !free) {
      return free.error();
    }
  }
  return plan;
}

Task<Result<LaunchPlan>> preflight_on(Worker& slow_worker, PreflightRequest request) {
  const std::string app = request.spec.name;
  auto work = [request = std::move(request)] { return preflight(request); };
  auto checking = slow_worker.run(std::move(work));
  auto plan = co_await within(std::chrono::seconds(10), std::move(checking));
  if (plan) co_return std::move(*plan);
  co_return Error{
      "cannot start " + app + ": looking at its user, directory and files takes longer than 10 s",
      "a name service or a file system hangs: `ls` its cwd, `getent passwd`"};
}

}  // namespace dixis
