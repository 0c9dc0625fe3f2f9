#include "daemon/model/config_health.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "daemon/model/command_facts.hpp"
#include "daemon/model/config_probe.hpp"
#include "daemon/model/config_values.hpp"
#include "daemon/model/probe_words.hpp"
#include "daemon/model/words.hpp"

namespace dixis {
namespace {

using R = ConfigReader;
using V = ConfigValue;

bool asks_own_listener(const ProbeSpec& probe) {
  if (const auto* http = std::get_if<HttpProbe>(&probe.what))
    return !http->socket && http->port == 0;
  const auto* tcp = std::get_if<TcpProbe>(&probe.what);
  return tcp != nullptr && tcp->port == 0;
}

/// Two probes of one name couldn't be told apart.
void number_equal_names(std::vector<ProbeSpec>& probes) {
  std::map<std::string, int> seen;
  for (auto& probe : probes) {
    const auto count = ++seen[probe.name];
    if (count > 1) probe.name += " (" + std::to_string(count) + ")";
  }
}

using B = AppDraft;

constexpr auto kBuildKeys = std::to_array<ConfigKey<B>>({
    {"id_file",
     [](R& r, const V& v, B& app) {
       if (auto text = path_text(r, v, "a file")) app.spec.health.build.id_file = *text;
     }},
    {"verify",
     [](R& r, const V& v, B& app) {
       auto text = r.text(v, "a path such as /version");
       if (!text) return;
       if (const auto wrong = request_path_problem(*text)) {
         r.problem(v, wrong->message, wrong->hint);
       } else {
         app.spec.health.build.verify = std::move(*text);
         app.own_listener.push_back(v);
       }
     }},
});

}  // namespace

void read_health(R& reader, const V& value, AppDraft& app) {
  app.spec.health.probes.emplace();
  if (value.node.IsScalar()) {
    const auto text = reader.text(value, "a probe, a list of probes, or none");
    if (!text || *text == "none") return;
    reader.problem(value, "expected a probe, a list of probes, or none; got '" + *text + "'",
                   text->starts_with('/') ? "write health: {http: " + *text + "}"
                                          : "a probe is a mapping: health: {http: /api/health}");
    return;
  }
  const auto probes = reader.items(value);
  if (probes.empty())
    reader.problem(value, "the list of probes is empty", "for no probe at all, write health: none");
  for (const auto& item : probes) {
    auto probe = read_probe(reader, item);
    if (!probe) continue;
    if (asks_own_listener(probe->spec)) app.own_listener.push_back(probe->kind);
    app.spec.health.probes->push_back(std::move(probe->spec));
  }
  number_equal_names(*app.spec.health.probes);
}

void read_on_unhealthy(R& reader, const V& value, AppDraft& app) {
  static constexpr std::array<std::string_view, 2> kChoices = {"restart", "mark"};
  if (const auto index = reader.choice(value, kChoices))
    app.spec.health.on_unhealthy = OnUnhealthy(*index);
}

void read_build(R& reader, const V& value, AppDraft& app) {
  auto& build = app.spec.health.build;
  if (value.node.IsMap()) {
    build.kind = BuildSpec::Kind::file;
    const bool understood = reader.map<B>(value, kBuildKeys, app);
    if (understood && !value.node["id_file"].IsDefined() && build.id_file.empty())
      reader.problem(value, "'build' has no 'id_file'",
                     "add the file that holds the build's identity: {id_file: PATH}");
    return;
  }
  const auto text = reader.text(value, "next, none or a mapping with the key id_file");
  if (!text) return;
  if (*text == "next") {
    build.kind = BuildSpec::Kind::next;
  } else if (*text == "none") {
    build.kind = BuildSpec::Kind::none;
  } else {
    const auto near = nearest(*text, {"next", "none"});
    reader.problem(value, "expected next, none or {id_file: PATH}; got '" + *text + "'",
                   near ? "did you mean '" + *near + "'?" : "");
  }
}

void read_on_new_build(R& reader, const V& value, AppDraft& app) {
  static constexpr std::array<std::string_view, 3> kChoices = {"nothing", "restart", "reload"};
  if (const auto index = reader.choice(value, kChoices))
    app.spec.health.on_new_build = OnNewBuild(*index);
}

void read_new_build_settle(R& reader, const V& value, AppDraft& app) {
  if (const auto settle = reader.duration(value, Milliseconds{0}))
    app.spec.health.new_build_settle = *settle;
}

void read_assets(R& reader, const V& value, AppDraft& app) {
  if (const auto assets = reader.boolean(value)) app.spec.health.assets = *assets;
}

void settle_health(R& reader, AppDraft& app) {
  auto& spec = app.spec;
  auto& id_file = spec.health.build.id_file;
  if (!id_file.empty()) id_file = absolute_path(spec.cwd, id_file.string());
  if (app.own_listener.empty() || spec.command.empty()) return;
  const auto& key = app.own_listener.front();
  if (spec.no_port) {
    reader.problem(key, "this asks the app's own listener, and 'port: none' says that it has none",
                   "write where it listens: port: NUMBER for the app, or a host and a port here");
    return;
  }
  // What a file says, or a script of package.json, is known at the start only.
  const auto inner = inner_command(spec.command);
  if (!spec.env_files.empty() || package_script(inner.command)) return;
  const auto address = find_listen_address_of_instance(spec, 0);
  if (address && !*address)
    reader.problem(key, "this asks the app's own listener, and its port can't be known",
                   "add port: NUMBER to the app");
}

void append_health_key_paths(std::vector<std::string>& paths, const std::string& app) {
  append_probe_key_paths(paths, app + ".health");
  append_key_paths<B>(paths, app + ".build", kBuildKeys);
}

}  // namespace dixis
