#include "daemon/model/config_apps.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "daemon/model/config_health.hpp"
#include "daemon/model/config_listen.hpp"
#include "daemon/model/config_logs.hpp"
#include "daemon/model/config_policies.hpp"
#include "daemon/model/config_values.hpp"

namespace dixis {
namespace {

using R = ConfigReader;
using V = ConfigValue;

// --- access ---------------------------------------------------------------------------------

struct Names {
  std::vector<std::string>& groups;
  std::vector<std::string>& users;
};

constexpr auto kNamesKeys = std::to_array<ConfigKey<Names>>({
    {"groups", [](R& r, const V& v, Names& n) { n.groups = r.texts(v, "a group's name"); }},
    {"users", [](R& r, const V& v, Names& n) { n.users = r.texts(v, "a user's name"); }},
});

constexpr auto kAccessKeys = std::to_array<ConfigKey<Access>>({
    {"operators",
     [](R& r, const V& v, Access& a) {
       Names names{a.operator_groups, a.operator_users};
       r.map<Names>(v, kNamesKeys, names);
     }},
    {"viewers",
     [](R& r, const V& v, Access& a) {
       Names names{a.viewer_groups, a.viewer_users};
       r.map<Names>(v, kNamesKeys, names);
     }},
});

// --- small values ---------------------------------------------------------------------------

void read_command(R& r, const V& v, AppDraft& app) {
  app.command = v;
  app.spec.command = read_words(r, v);
}

std::optional<std::string> read_account(R& r, const V& v, std::string_view expected) {
  auto name = r.text(v, expected);
  if (!name) return std::nullopt;
  if (!name->empty() && name->find_first_of(" \t\n:/") == std::string::npos) return name;
  r.problem(v, "expected " + std::string(expected) + "; got '" + *name + "'");
  return std::nullopt;
}

void read_umask(R& r, const V& v, AppDraft& app) {
  const auto text = r.text(v, "an octal number such as 022");
  if (!text) return;
  std::string_view digits = *text;
  if (digits.starts_with("0o")) digits.remove_prefix(2);
  unsigned mask = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), mask, 8);
  if (error == std::errc{} && end == digits.data() + digits.size() && mask <= 0777) {
    app.spec.umask = mask;
  } else {
    r.problem(v, "expected an octal number from 000 to 777; got '" + *text + "'");
  }
}

void read_env(R& r, const V& v, AppDraft& app) {
  if (v.node.IsSequence() || v.node.IsScalar()) {
    r.problem(v, "expected a mapping of names to values", "write env: {NAME: value}");
    return;
  }
  const auto entries = r.entries(v);
  if (!entries) return;
  for (const auto& [name, value] : *entries) {
    if (name.empty() || name.find('=') != std::string::npos) {
      r.problem(value.key, value.path, "'" + name + "' can't be the name of a variable",
                "a name is not empty and has no '=' in it");
    } else if (name.starts_with("DIXIS_") || name == "LISTEN_PID" || name == "LISTEN_FDS" ||
               name == "LISTEN_FDNAMES" || name == "NODE_APP_INSTANCE") {
      r.problem(value.key, value.path, "'" + name + "' is set by dixis itself", "remove it");
    } else if (!value.node.IsDefined() || value.node.IsNull()) {
      r.problem(value.key, value.path, "the variable has no value", "write '' for an empty one");
    } else if (auto text = r.text(value, "text, a number, true or false")) {
      app.spec.env[name] = std::move(*text);
    }
  }
}

void read_env_file(R& r, const V& v, AppDraft& app) {
  for (const auto& item : r.items(v))
    if (auto text = path_text(r, item, "a file")) app.env_files.push_back(std::move(*text));
}

void read_search_path(R& r, const V& v, AppDraft& app) {
  for (const auto& item : r.items(v)) {
    auto text = path_text(r, item, "a directory");
    if (!text) continue;
    if (text->find(':') != std::string::npos) {
      r.problem(item, "expected one directory; got '" + *text + "'",
                "several are a list: path: [/opt/node/bin, /opt/tools/bin]");
    } else {
      app.spec.path.push_back(std::move(*text));
    }
  }
}

// --- the app --------------------------------------------------------------------------------

using A = AppDraft;

void read_after(R& r, const V& v, A& app) {
  for (const auto& item : r.items(v))
    if (auto name = r.text(item, "an app's name")) app.after.emplace_back(*name, item.at);
}

void read_tags(R& r, const V& v, A& app) {
  app.spec.tags = r.texts(v, "a tag");
}

constexpr auto kAppKeys = std::to_array<ConfigKey<A>>({
    {"command", read_command},
    // Relative to the file's directory, which stands there as the default.
    {"cwd",
     [](R& r, const V& v, A& a) {
       if (const auto text = path_text(r, v, "a directory"))
         a.spec.cwd = absolute_path(a.spec.cwd, *text);
     }},
    {"user", [](R& r, const V& v, A& a) { a.spec.user = read_account(r, v, "a user's name"); }},
    {"group", [](R& r, const V& v, A& a) { a.spec.group = read_account(r, v, "a group's name"); }},
    {"umask", read_umask},
    {"nice",
     [](R& r, const V& v, A& a) {
       if (const auto nice = r.integer(v, {-20, 19})) a.spec.nice = int(*nice);
     }},
    {"path", read_search_path},
    {"env", read_env},
    {"env_file", read_env_file},
    {"listen", read_listen},
    {"port", read_port},
    {"instances", read_instances},
    {"health", read_health},
    {"on_unhealthy", read_on_unhealthy},
    {"build", read_build},
    {"on_new_build", read_on_new_build},
    {"new_build_settle", read_new_build_settle},
    {"assets", read_assets},
    {"start", [](R& r, const V& v, A& a) { read_start(r, v, a.spec.start); }},
    {"stop", [](R& r, const V& v, A& a) { read_stop(r, v, a.spec.stop); }},
    {"restart", [](R& r, const V& v, A& a) { read_restart(r, v, a.spec.restart); }},
    {"reload", read_reload},
    {"restart_above", [](R& r, const V& v, A& a) { a.spec.restart_above = read_memory(r, v); }},
    {"limits",
     [](R& r, const V& v, A& a) { read_limits(r, v, a.spec.limits, a.spec.tree_limits); }},
    {"logs", [](R& r, const V& v, A& a) { read_logs(r, v, a.spec.logs); }},
    {"after", read_after},
    {"tags", read_tags},
});

bool is_app_name(std::string_view name) {
  constexpr std::size_t kLongest = 63;
  const auto is_alnum = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  return !name.empty() && name.size() <= kLongest && is_alnum(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_alnum(c) || c == '.' || c == '_' || c == '-'; });
}

void check_name(R& r, const ConfigEntry& entry) {
  if (entry.name == "all") {
    r.problem(entry.value.key, entry.value.path, "no app can be named 'all'",
              "dixisctl means every app by it");
  } else if (!is_app_name(entry.name)) {
    r.problem(entry.value.key, entry.value.path, "'" + entry.name + "' can't be an app's name",
              "a name has letters, digits, '.', '_' and '-', begins with a letter or digit, and "
              "has at most 63 characters");
  }
}

/// What depends on several keys, in whatever order they were written.
void settle(R& r, A& app, const V& value) {
  auto& spec = app.spec;
  for (const auto& file : app.env_files) spec.env_files.push_back(absolute_path(spec.cwd, file));
  for (auto& directory : spec.path) directory = absolute_path(spec.cwd, directory);
  for (const auto& [name, at] : app.after) spec.after.push_back(name);
  if (!app.command && value.node.IsMap())
    r.problem(value.key, value.path, "the app has no 'command'",
              "add the line that starts it, such as command: node server.js");
  settle_port(r, app);
  settle_health(r, app);
}

}  // namespace

AppDraft read_app(R& reader, const ConfigEntry& entry, const std::filesystem::path& directory) {
  AppDraft app;
  app.spec.name = entry.name;
  app.spec.cwd = directory;
  app.spec.defined_at = entry.value.key;
  check_name(reader, entry);
  if (!entry.value.node.IsDefined() || entry.value.node.IsNull()) {
    reader.problem(entry.value.key, entry.value.path, "the app has no keys",
                   "add at least its command, indented below its name");
    return app;
  }
  reader.map<AppDraft>(entry.value, kAppKeys, app);
  settle(reader, app, entry.value);
  return app;
}

void read_access(R& reader, const V& value, Access& access) {
  reader.map<Access>(value, kAccessKeys, access);
}

void append_access_key_paths(std::vector<std::string>& paths) {
  append_key_paths<Access>(paths, "access", kAccessKeys);
  append_key_paths<Names>(paths, "access.operators", kNamesKeys);
  append_key_paths<Names>(paths, "access.viewers", kNamesKeys);
}

void append_app_key_paths(std::vector<std::string>& paths) {
  const std::string app = "apps.*";
  append_key_paths<AppDraft>(paths, app, kAppKeys);
  append_policy_key_paths(paths, app);
  append_health_key_paths(paths, app);
  append_log_key_paths(paths, app);
  append_reload_key_paths(paths, app);
}

}  // namespace dixis
