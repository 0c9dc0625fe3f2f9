#include "daemon/model/config_later_keys.hpp"

#include <array>

#include "daemon/model/words.hpp"

namespace dixis {
namespace {

struct Nothing {};
using Key = ConfigKey<Nothing>;

void a_text(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.text(v, "text");
}
void texts(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.texts(v, "text");
}
void a_duration(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.duration(v, Milliseconds{0});
}
void a_size(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.size(v);
}
void a_count(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.integer(v, {1, 1'000'000});
}
void a_boolean(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.boolean(v);
}
template <const auto& choices>
void a_choice(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.choice(v, choices);
}

constexpr std::array<std::string_view, 2> kFormats = {"raw", "text"};
constexpr std::array<std::string_view, 2> kWhenFull = {"drop", "block"};
constexpr std::array<std::string_view, 2> kOnUnhealthy = {"restart", "mark"};
constexpr std::array<std::string_view, 3> kOnNewBuild = {"nothing", "restart", "reload"};
constexpr std::array<std::string_view, 2> kBuilds = {"next", "none"};

constexpr auto kHealthKeys = std::to_array<Key>({{"http", a_text},
                                                 {"tcp", a_text},
                                                 {"exec", texts},
                                                 {"notify", a_boolean},
                                                 {"interval", a_duration},
                                                 {"timeout", a_duration},
                                                 {"failures", a_count},
                                                 {"successes", a_count},
                                                 {"expect", texts}});
constexpr auto kBuildKeys = std::to_array<Key>({{"id_file", a_text}, {"verify", a_text}});
constexpr std::array<Key, 3> kReloadKeys = {
    {{"drain", a_duration}, {"parallel", a_count}, {"warmup", texts}}};
constexpr auto kLogsKeys = std::to_array<Key>({{"max_size", a_size},
                                               {"keep", a_count},
                                               {"max_age", a_duration},
                                               {"max_total", a_size},
                                               {"format", a_choice<kFormats>},
                                               {"when_full", a_choice<kWhenFull>}});

void read_later_map(ConfigReader& reader, const ConfigValue& value, std::span<const Key> keys) {
  Nothing nothing;
  reader.map(value, keys, nothing);
}

void later(ConfigReader& reader, const ConfigValue& value) {
  reader.not_in_this_version(value, "'" + value.name() + "' is");
}

}  // namespace

void read_health(ConfigReader& reader, const ConfigValue& value) {
  for (const auto& probe : reader.items(value)) read_later_map(reader, probe, kHealthKeys);
  later(reader, value);
}

void read_on_unhealthy(ConfigReader& reader, const ConfigValue& value) {
  reader.choice(value, kOnUnhealthy);
  later(reader, value);
}

void read_build(ConfigReader& reader, const ConfigValue& value) {
  if (value.node.IsMap()) {
    read_later_map(reader, value, kBuildKeys);
  } else {
    reader.choice(value, kBuilds);
  }
  later(reader, value);
}

void read_on_new_build(ConfigReader& reader, const ConfigValue& value) {
  reader.choice(value, kOnNewBuild);
  later(reader, value);
}

void read_new_build_settle(ConfigReader& reader, const ConfigValue& value) {
  reader.duration(value, Milliseconds{0});
  later(reader, value);
}

void read_reload(ConfigReader& reader, const ConfigValue& value) {
  read_later_map(reader, value, kReloadKeys);
  later(reader, value);
}

void read_restart_above(ConfigReader& reader, const ConfigValue& value) {
  reader.size(value);
  later(reader, value);
}

void read_logs(ConfigReader& reader, const ConfigValue& value) {
  read_later_map(reader, value, kLogsKeys);
  later(reader, value);
}

void read_later_size(ConfigReader& reader, const ConfigValue& value) {
  reader.size(value);
  later(reader, value);
}

void read_later_count(ConfigReader& reader, const ConfigValue& value) {
  reader.integer(value, {1, 1'000'000});
  later(reader, value);
}

void read_cpu(ConfigReader& reader, const ConfigValue& value) {
  const auto text = reader.text(value, "a percentage of one CPU such as 150%");
  if (!text) return;
  const auto digits = text->find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string::npos || text->substr(digits) != "%")
    reader.problem(value, "expected a percentage of one CPU such as 150%; got '" + *text + "'");
  later(reader, value);
}

void append_later_key_paths(std::vector<std::string>& paths, const std::string& app) {
  append_key_paths<Nothing>(paths, app + ".health", kHealthKeys);
  append_key_paths<Nothing>(paths, app + ".build", kBuildKeys);
  append_key_paths<Nothing>(paths, app + ".reload", kReloadKeys);
  append_key_paths<Nothing>(paths, app + ".logs", kLogsKeys);
}

}  // namespace dixis
