#include "daemon/model/config_later_keys.hpp"

#include <array>

#include "daemon/model/words.hpp"

namespace dixis {
namespace {

struct Nothing {};
using Key = ConfigKey<Nothing>;

void a_duration(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.duration(v, Milliseconds{0});
}
void a_size(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.size(v);
}
void a_count(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.integer(v, {1, 1'000'000});
}
template <const auto& choices>
void a_choice(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.choice(v, choices);
}

constexpr std::array<std::string_view, 2> kFormats = {"raw", "text"};
constexpr std::array<std::string_view, 2> kWhenFull = {"drop", "block"};

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
  append_key_paths<Nothing>(paths, app + ".logs", kLogsKeys);
}

}  // namespace dixis
