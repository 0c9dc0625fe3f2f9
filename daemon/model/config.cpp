#include "daemon/model/config.hpp"

#include <algorithm>
#include <array>
#include <system_error>

#include "daemon/model/config_apps.hpp"
#include "daemon/model/config_files.hpp"
#include "daemon/model/config_logs.hpp"
#include "daemon/model/config_warnings.hpp"
#include "daemon/model/start_order.hpp"
#include "daemon/model/words.hpp"

namespace dixis {
namespace {

constexpr std::array<std::string_view, 4> kTopLevelKeys = {"include", "access", "apps", "logs"};

std::string place(const SourcePosition& at) {
  return at.file + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

/// Reads the main file and all that it includes, then checks what concerns several apps.
class Loader {
 public:
  explicit Loader(const ConfigOptions& options) : files_(reader_, options.check_ownership) {}

  LoadedConfig run(const std::filesystem::path& file) {
    std::error_code error;
    result_.config.file = std::filesystem::absolute(file, error);
    files_.first_time(file);
    read_file(file, true);
    std::vector<std::string> names;
    for (const auto& [name, draft] : drafts_) names.push_back(name);
    for (const auto& [name, draft] : drafts_) check_after(draft, names);
    check_cycles();
    check_log_files(reader_, drafts_);
    // What is still to be changed would only distract from what has to be.
    if (!reader_.failed())
      for (const auto& [name, draft] : drafts_) warn_of_pitfalls(reader_, draft);
    for (auto& [name, draft] : drafts_) result_.config.apps[name] = std::move(draft.spec);
    result_.problems = reader_.take_problems();
    return std::move(result_);
  }

 private:
  // The keys of a file, in a table as all others are. An included one may not say who may do what:
  // that stands in one place.
  struct File {
    Loader& loader;
    std::filesystem::path path;
    bool main;
  };
  void read_file(const std::filesystem::path& path, bool main) {
    static constexpr auto kFileKeys = std::to_array<ConfigKey<File>>(
        {{kTopLevelKeys[0],
          [](ConfigReader&, const ConfigValue& v, File& f) { f.loader.read_include(v, f); }},
         {kTopLevelKeys[1],
          [](ConfigReader&, const ConfigValue& v, File& f) { f.loader.read_access_of(v, f); }},
         {kTopLevelKeys[2],
          [](ConfigReader&, const ConfigValue& v, File& f) { f.loader.read_apps(v, f); }},
         {kTopLevelKeys[3],
          [](ConfigReader&, const ConfigValue& v, File& f) { f.loader.read_logs_of(v, f); }}});
    const auto root = files_.load(path);
    if (!root) return;
    File file{*this, path, main};
    reader_.map<File>(*root, kFileKeys, file, {"apps"});
  }

  void read_include(const ConfigValue& value, const File& file) {
    for (const auto& pattern : reader_.items(value))
      for (const auto& path : files_.included(pattern, file.path.parent_path()))
        if (files_.first_time(path)) read_file(path, false);
  }

  void read_access_of(const ConfigValue& value, const File& file) {
    if (stands_in_main(value, file)) read_access(reader_, value, result_.config.access);
  }

  void read_logs_of(const ConfigValue& value, const File& file) {
    if (stands_in_main(value, file)) {
      read_log_ceiling(reader_, value, result_.config.log_ceiling);
    }
  }

  bool stands_in_main(const ConfigValue& value, const File& file) {
    if (file.main) return true;
    reader_.problem(value.key, value.path, "'" + value.name() + "' can't stand in an included file",
                    "move it to " + result_.config.file.string());
    return false;
  }

  void read_apps(const ConfigValue& value, const File& file) {
    if (value.node.IsNull()) return;  // all of them commented out
    const auto entries = reader_.entries(value);
    if (!entries) return;
    std::error_code error;
    const auto directory =
        std::filesystem::absolute(file.path, error).lexically_normal().parent_path();
    for (const auto& entry : *entries) {
      auto draft = read_app(reader_, entry, directory);
      const auto [first, is_new] = drafts_.emplace(entry.name, std::move(draft));
      if (!is_new)
        reader_.problem(entry.value.key, entry.value.path,
                        "the app '" + entry.name + "' is defined already, in " +
                            place(first->second.spec.defined_at),
                        "remove or rename one of the two");
    }
  }

  void check_after(const AppDraft& draft, const std::vector<std::string>& names) {
    for (const auto& [name, at] : draft.after) {
      if (drafts_.contains(name)) continue;
      const auto near = nearest(name, names);
      reader_.problem(at, "apps." + draft.spec.name + ".after", "there is no app '" + name + "'",
                      near ? "did you mean '" + *near + "'?" : "");
    }
  }

  void check_cycles() {
    std::map<std::string, std::vector<std::string>> after;
    for (const auto& [name, draft] : drafts_) after[name] = draft.spec.after;
    for (;;) {
      const auto cycle = start_order(after).cycle;
      if (cycle.empty()) return;
      report_cycle(cycle);
      after.erase(cycle.front());  // and look for another one
    }
  }

  void report_cycle(const std::vector<std::string>& cycle) {
    const auto& draft = drafts_.at(cycle.front());
    std::string way = "'" + cycle.front() + "'";
    for (std::size_t i = 1; i <= cycle.size(); ++i)
      way += " after '" + cycle[i % cycle.size()] + "'";
    const auto& next = cycle[1 % cycle.size()];
    const auto at = std::find_if(draft.after.begin(), draft.after.end(),
                                 [&](const auto& name) { return name.first == next; });
    reader_.problem(at->second, "apps." + cycle.front() + ".after",
                    cycle.size() == 1 ? "an app can't start after itself"
                                      : "these wait for each other, so none could start: " + way,
                    cycle.size() == 1 ? "remove it" : "remove one of these 'after'");
  }

  ConfigReader reader_{};
  ConfigFiles files_;
  std::map<std::string, AppDraft> drafts_{};
  LoadedConfig result_{};
};

}  // namespace

bool LoadedConfig::ok() const {
  return std::all_of(problems.begin(), problems.end(),
                     [](const Problem& problem) { return problem.warning; });
}

LoadedConfig load_config(const std::filesystem::path& file, const ConfigOptions& options) {
  return Loader(options).run(file);
}

std::string format_problem(const Problem& problem) {
  std::string line = problem.file;
  if (problem.line > 0)
    line += ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column);
  line += problem.warning ? ": warning: " : ": error: ";
  if (!problem.path.empty()) line += problem.path + ": ";
  line += problem.message;
  if (!problem.hint.empty()) line += " (" + problem.hint + ")";
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  return line;
}

std::vector<std::string> known_key_paths() {
  std::vector<std::string> paths(kTopLevelKeys.begin(), kTopLevelKeys.end());
  append_access_key_paths(paths);
  append_log_ceiling_key_paths(paths);
  append_app_key_paths(paths);
  return paths;
}

std::vector<std::string> changed_keys(const AppSpec& before, const AppSpec& after) {
  std::vector<std::string> keys;
  const auto compare = [&](const char* key, bool same) {
    if (!same) keys.emplace_back(key);
  };
  compare("command", before.command == after.command);
  compare("cwd", before.cwd == after.cwd);
  compare("user", before.user == after.user);
  compare("group", before.group == after.group);
  compare("umask", before.umask == after.umask);
  compare("nice", before.nice == after.nice);
  compare("path", before.path == after.path);
  compare("env", before.env == after.env);
  compare("env_file", before.env_files == after.env_files);
  compare("port", !before.held.empty() || !after.held.empty() ||
                      (before.listen == after.listen && before.no_port == after.no_port));
  compare("listen", before.held == after.held);
  compare("instances", before.instances == after.instances);
  compare("health", before.health.probes == after.health.probes);
  compare("on_unhealthy", before.health.on_unhealthy == after.health.on_unhealthy);
  compare("build", before.health.build == after.health.build);
  compare("on_new_build", before.health.on_new_build == after.health.on_new_build);
  compare("new_build_settle", before.health.new_build_settle == after.health.new_build_settle);
  compare("assets", before.health.assets == after.health.assets);
  compare("start", before.start == after.start);
  compare("stop", before.stop == after.stop);
  compare("restart", before.restart == after.restart);
  compare("reload", before.reload == after.reload);
  compare("restart_above", before.restart_above == after.restart_above);
  compare("limits", before.limits == after.limits && before.tree_limits == after.tree_limits);
  compare("logs", before.logs == after.logs);
  compare("after", before.after == after.after);
  compare("tags", before.tags == after.tags);
  return keys;
}

bool needs_new_process(const std::vector<std::string>& keys) {
  static const std::array<std::string_view, 12> of_the_process = {
      "command", "cwd", "user",     "group", "umask",  "nice",
      "path",    "env", "env_file", "port",  "listen", "limits"};
  return std::any_of(keys.begin(), keys.end(), [](const std::string& key) {
    return std::find(of_the_process.begin(), of_the_process.end(), key) != of_the_process.end();
  });
}

}  // namespace dixis
