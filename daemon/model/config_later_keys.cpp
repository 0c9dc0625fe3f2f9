#include "daemon/model/config_later_keys.hpp"

#include <array>

#include "daemon/model/words.hpp"

namespace dixis {
namespace {

struct Nothing {};
using Key = ConfigKey<Nothing>;

void texts(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.texts(v, "text");
}
void a_duration(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.duration(v, Milliseconds{0});
}
void a_count(ConfigReader& r, const ConfigValue& v, Nothing&) {
  r.integer(v, {1, 1'000'000});
}
constexpr std::array<Key, 3> kReloadKeys = {
    {{"drain", a_duration}, {"parallel", a_count}, {"warmup", texts}}};
void read_later_map(ConfigReader& reader, const ConfigValue& value, std::span<const Key> keys) {
  Nothing nothing;
  reader.map(value, keys, nothing);
}

void later(ConfigReader& reader, const ConfigValue& value) {
  reader.not_in_this_version(value, "'" + value.name() + "' is");
}

}  // namespace

void read_reload(ConfigReader& reader, const ConfigValue& value) {
  read_later_map(reader, value, kReloadKeys);
  later(reader, value);
}

void append_later_key_paths(std::vector<std::string>& paths, const std::string& app) {
  append_key_paths<Nothing>(paths, app + ".reload", kReloadKeys);
}

}  // namespace dixis
