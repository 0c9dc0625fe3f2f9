#include "daemon/run/executable.hpp"

#include <cerrno>
#include <glob.h>
#include <memory>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sys/app_files.hpp"

namespace dixis {

namespace {

namespace fs = std::filesystem;

/// 0, or why this can't be executed.
int executable_error(const fs::path& file, const std::optional<Credentials>& credentials) {
  struct stat facts {};
  if (::stat(file.c_str(), &facts) != 0) return errno;
  if (S_ISDIR(facts.st_mode)) return EISDIR;
  return check_access(file, X_OK, credentials);
}

struct Search {
  std::string found{};
  int error = ENOENT;  ///< the most telling one: EACCES before ENOENT
};

Search search_path(const std::string& name, const LaunchPlan& plan) {
  Search search;
  const auto path = plan.environment.find("PATH");
  std::istringstream directories(path == plan.environment.end() ? kDefaultPath : path->second);
  for (std::string directory; std::getline(directories, directory, ':');) {
    if (directory.empty()) continue;
    const fs::path candidate = fs::path(directory) / name;
    const int error = executable_error(candidate, plan.credentials);
    if (error == 0) return {candidate.string(), 0};
    if (error != ENOENT && error != ENOTDIR) search.error = error;
  }
  return search;
}

/// The directories of version managers under the user's home that hold `name`.
std::string version_manager_hint(const std::string& name, const LaunchPlan& plan) {
  const auto home = plan.environment.find("HOME");
  if (home == plan.environment.end()) return {};
  for (const char* pattern :
       {"/.nvm/versions/node/*/bin/", "/.local/share/fnm/node-versions/*/installation/bin/",
        "/.fnm/node-versions/*/installation/bin/", "/.volta/bin/"}) {
    glob_t matches{};
    const int failed = ::glob((home->second + pattern + name).c_str(), 0, nullptr, &matches);
    const std::unique_ptr<glob_t, decltype(&::globfree)> guard(&matches, &::globfree);
    if (failed != 0 || matches.gl_pathc == 0) continue;
    // The last one is the newest as names go.
    const fs::path found = matches.gl_pathv[matches.gl_pathc - 1];
    return "there is one at " + found.string() + ": add `path: " + found.parent_path().string() +
           "` to the app";
  }
  return {};
}

Error not_found(const std::string& name, const std::string& role, int error, const AppSpec& spec,
                const LaunchPlan& plan) {
  std::string hint = name.find('/') == std::string::npos ? version_manager_hint(name, plan) : "";
  if (hint.empty()) {
    hint = name.find('/') == std::string::npos
               ? "install it, or add its directory to the app's `path`"
               : "correct `command`, or build what is missing";
  }
  return errno_error("cannot start " + spec.name + ": " + role + " " + name, error,
                     std::move(hint));
}

/// The words of a script's "#!" line; empty for anything else.
std::vector<std::string> interpreter_of(const std::string& file,
                                        const std::optional<Credentials>& credentials) {
  const auto line = read_app_file_head(file, 256, credentials);
  if (!line || !line->starts_with("#!")) return {};
  std::istringstream words(line->substr(2, line->find('\n') - 2));
  std::vector<std::string> out;
  for (std::string word; words >> word;) out.push_back(word);
  return out;
}

Result<void> check_interpreter(const std::string& file, const AppSpec& spec,
                               const LaunchPlan& plan) {
  const auto words = interpreter_of(file, plan.credentials);
  if (words.empty()) return {};
  const std::string role = "the interpreter of " + file + ",";
  if (const int error = executable_error(words[0], plan.credentials); error != 0) {
    return not_found(words[0], role, error, spec, plan);
  }
  const bool through_env = words[0].ends_with("/env") && words.size() > 1;
  if (!through_env) return {};
  const std::string& name = words[1] == "-S" && words.size() > 2 ? words[2] : words[1];
  if (name.find('/') != std::string::npos || name.find('=') != std::string::npos) return {};
  const auto search = search_path(name, plan);
  if (search.error != 0) return not_found(name, role, search.error, spec, plan);
  return {};
}

}  // namespace

Result<std::string> find_executable(const std::string& name, const AppSpec& spec,
                                    const LaunchPlan& plan) {
  Search search;
  if (name.find('/') == std::string::npos) {
    search = search_path(name, plan);
  } else {
    search.found = (spec.cwd / name).lexically_normal().string();
    search.error = executable_error(search.found, plan.credentials);
  }
  if (search.error != 0) return not_found(name, "command", search.error, spec, plan);
  if (const auto checked = check_interpreter(search.found, spec, plan); !checked) {
    return checked.error();
  }
  return search.found;
}

}  // namespace dixis
