// Whether a Next app can be started from what lies on disk.
#include <algorithm>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/run/build/build_on_disk.hpp"
#include "daemon/sys/app_files.hpp"

namespace dixis {

namespace {

namespace fs = std::filesystem;
constexpr int kMostEntries = 2000;

bool names(const std::vector<std::string>& words, std::string_view program) {
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return fs::path(word).filename() == program; });
}

bool is_next_start(const std::vector<std::string>& words) {
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (fs::path(words[i]).filename() == "next" && words[i + 1] == "start") return true;
  }
  return false;
}

/// The word that runs the standalone server out of the build, absolute.
std::optional<fs::path> standalone_server(const AppSpec& spec,
                                          const std::vector<std::string>& words) {
  for (const auto& word : words) {
    if (word.find("standalone/") == std::string::npos || !word.ends_with("server.js")) continue;
    return fs::path(word).is_absolute() ? fs::path(word) : spec.cwd / word;
  }
  return std::nullopt;
}

Result<void> check_output(const AppSpec& spec, const LaunchPlan& plan, const BuildOnDisk& build) {
  const std::string what = "cannot start " + spec.name + ": ";
  if (build.config.standalone && is_next_start(plan.argv)) {
    return Error{what + "its build has `output: standalone`, which `next start` refuses to serve",
                 "run `node " + build.config.dist_dir +
                     "/standalone/server.js`, or build without that output"};
  }
  const auto server = standalone_server(spec, plan.argv);
  std::error_code error;
  if (server && !fs::exists(*server, error)) {
    return Error{what + server->string() + " is missing",
                 build.config.standalone
                     ? "run `next build` again, to its end"
                     : "set `output: 'standalone'` in next.config, and run `next build`"};
  }
  return {};
}

/// The first below `directory` that the app's user can't write.
std::optional<fs::path> unwritable(const fs::path& directory,
                                   const std::optional<Credentials>& credentials) {
  std::error_code error;
  if (!fs::exists(directory, error)) return std::nullopt;
  if (check_access(directory, W_OK | X_OK, credentials) != 0) return directory;
  int looked = 0;
  fs::recursive_directory_iterator entries(directory, fs::directory_options::skip_permission_denied,
                                           error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    if (++looked > kMostEntries) break;
    const auto& path = entries->path();
    if (!fs::is_symlink(entries->symlink_status(error)) &&
        check_access(path, W_OK, credentials) != 0) {
      return path;
    }
  }
  return std::nullopt;
}

Result<void> check_writable(const AppSpec& spec, const LaunchPlan& plan, const BuildOnDisk& build) {
  if (!plan.credentials) return {};
  const auto dist = spec.cwd / build.config.dist_dir;
  std::error_code error;
  const auto cache = dist / "cache";
  const auto found = fs::exists(cache, error) ? unwritable(cache, plan.credentials)
                     : check_access(dist, W_OK | X_OK, plan.credentials) != 0 ? std::optional(dist)
                                                                              : std::nullopt;
  if (!found) return {};
  struct stat facts {};
  const bool known = ::lstat(found->c_str(), &facts) == 0;
  return Error{"cannot start " + spec.name + ": user " + plan.credentials->user + " can't write " +
                   found->string() +
                   (known ? ", which belongs to uid " + std::to_string(facts.st_uid) : "") +
                   "; Next.js has to write its cache",
               "`chown -R " + plan.credentials->user + " " + dist.string() + "`"};
}

}  // namespace

Result<void> check_next_build(const AppSpec& spec, const LaunchPlan& plan,
                              const BuildOnDisk& build) {
  const std::string what = "cannot start " + spec.name + ": ";
  if (!build.next) {
    if (build.complete) return {};
    return Error{what + "it has no build: " + build.missing, "deploy one"};
  }
  // A development server makes its build as it goes.
  if (names(plan.argv, "next") && !is_next_start(plan.argv)) return {};
  if (!build.id)
    return Error{what + "there is no whole build: " + build.missing, "run `next build`"};
  if (const auto output = check_output(spec, plan, build); !output) return output;
  if (!build.complete) {
    return Error{what + "the build on disk is incomplete: " + build.missing,
                 "run `next build` again, to its end"};
  }
  return check_writable(spec, plan, build);
}

namespace {

std::vector<Error> standalone_pitfalls(const AppSpec& spec, const BuildOnDisk& build) {
  std::vector<Error> out;
  std::error_code error;
  if (!build.next || !build.config.standalone) return out;
  if (is_next_start(spec.command)) {
    out.push_back({"its build has `output: standalone`, which `next start` refuses to serve",
                   "run `node " + build.config.dist_dir + "/standalone/server.js`"});
    return out;
  }
  // Either the output as it was built, or a copy of it that is the app's directory itself.
  const auto built =
      spec.cwd / build.config.dist_dir / "standalone" / build.config.relative_app_dir;
  const auto served = fs::exists(built, error) ? built : spec.cwd;
  if (!fs::exists(served / build.config.dist_dir / "static", error)) {
    out.push_back(
        {"the standalone output has no " + build.config.dist_dir +
             "/static: pages will come without their assets",
         "copy it to " + (served / build.config.dist_dir).string() + " after each build"});
  }
  if (served != spec.cwd && fs::exists(spec.cwd / "public", error) &&
      !fs::exists(served / "public", error)) {
    out.push_back({"the standalone output has no public",
                   "copy it to " + served.string() + " after each build"});
  }
  return out;
}

}  // namespace

std::vector<Problem> build_pitfalls(const Config& config) {
  std::vector<Problem> out;
  for (const auto& [name, spec] : config.apps) {
    std::optional<Credentials> credentials;
    if (spec.user || spec.group) {
      auto found = look_up_credentials(spec.user, spec.group);
      if (!found) continue;  // the preflight says so
      credentials = std::move(*found);
    }
    const auto build = read_build(spec, credentials);
    if (!build || !*build) continue;
    for (auto& pitfall : standalone_pitfalls(spec, **build)) {
      Problem problem;
      problem.file = spec.defined_at.file;
      problem.line = spec.defined_at.line;
      problem.column = spec.defined_at.column;
      problem.path = "apps." + name;
      problem.message = std::move(pitfall.message);
      problem.hint = std::move(pitfall.hint);
      problem.warning = true;
      out.push_back(std::move(problem));
    }
  }
  return out;
}

}  // namespace dixis
