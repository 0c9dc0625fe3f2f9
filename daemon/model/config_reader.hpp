#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "common/model.hpp"
#include "daemon/model/spec.hpp"

/// Reading YAML with a position and a path for everything that can be wrong with it.
namespace dixis {

/// A node of a configuration file, and what to call it in a message.
struct ConfigValue {
  YAML::Node node{};
  std::string path{};    ///< "apps.frontend.stop.timeout"
  SourcePosition at{};   ///< of the value
  SourcePosition key{};  ///< of its key; of the value itself where there is none

  std::string name() const;  ///< the last part of the path
};

/// An entry of a mapping, merge keys (`<<`) resolved.
struct ConfigEntry {
  std::string name{};
  ConfigValue value{};
};

class ConfigReader;

/// A key of a mapping and what reads it into a Target. The tables of these are the one place that
/// says which keys there are.
template <class Target>
struct ConfigKey {
  std::string_view name;
  void (*read)(ConfigReader&, const ConfigValue&, Target&);
};

template <class T>
struct Bounds {
  T least = std::numeric_limits<T>::lowest();
  T most = std::numeric_limits<T>::max();
};

/// Typed access to values. What doesn't fit becomes a problem, and reading goes on.
class ConfigReader {
 public:
  void problem(const SourcePosition& at, std::string path, std::string message,
               std::string hint = {});
  void problem(const ConfigValue& value, std::string message, std::string hint = {});
  /// What a person should know; the configuration can be used all the same.
  void warning(const SourcePosition& at, std::string path, std::string message,
               std::string hint = {});
  /// Whether there is an error among what was found.
  bool failed() const;
  void not_in_this_version(const ConfigValue& value, const std::string& what);

  /// The entries of a mapping. Duplicate keys are problems; the first one counts.
  /// `keys`: what may stand in it, for the message where it isn't a mapping.
  std::optional<std::vector<ConfigEntry>> entries(const ConfigValue& map,
                                                  const std::vector<std::string>& keys = {});
  /// The elements of a list; one scalar or mapping stands for a list of it.
  std::vector<ConfigValue> items(const ConfigValue& list);

  /// The text of a scalar as it is written. `expected` names what should be there.
  std::optional<std::string> text(const ConfigValue& value, std::string_view expected);
  std::optional<bool> boolean(const ConfigValue& value);
  std::optional<std::int64_t> integer(const ConfigValue& value, Bounds<std::int64_t> bounds);
  std::optional<double> number(const ConfigValue& value, Bounds<double> bounds);
  std::optional<Milliseconds> duration(const ConfigValue& value, Milliseconds least);
  std::optional<std::uint64_t> size(const ConfigValue& value);
  /// The index in `choices` of a word.
  std::optional<std::size_t> choice(const ConfigValue& value,
                                    std::span<const std::string_view> choices);
  std::vector<std::string> texts(const ConfigValue& value, std::string_view expected);

  /// Reads a mapping by its table of keys. `may_be_empty`: keys whose value can be left out. False:
  /// it is none, or has keys that are not in the table or have no value.
  template <class Target>
  bool map(const ConfigValue& value, std::span<const ConfigKey<Target>> keys, Target& target,
           std::initializer_list<std::string_view> may_be_empty = {}) {
    std::vector<std::string> names;
    for (const auto& key : keys) names.emplace_back(key.name);
    const auto all = entries(value, names);
    if (!all) return false;
    bool understood = true;
    for (const auto& entry : *all) {
      const ConfigKey<Target>* known = nullptr;
      for (const auto& key : keys)
        if (key.name == entry.name) known = &key;
      if (known != nullptr) {
        const bool may =
            std::find(may_be_empty.begin(), may_be_empty.end(), entry.name) != may_be_empty.end();
        if (may || has_value(entry.value)) {
          known->read(*this, entry.value, target);
          continue;
        }
      } else {
        unknown_key(entry, names);
      }
      understood = false;
    }
    return understood;
  }

  /// What was found: file by file, each from its top.
  std::vector<Problem> take_problems();

 private:
  /// False, with a problem, where nothing is written after the colon.
  bool has_value(const ConfigValue& value);
  void unknown_key(const ConfigEntry& entry, const std::vector<std::string>& known);
  void merge(const ConfigValue& merged, std::vector<ConfigEntry>& entries, int depth);
  void add_entries(const ConfigValue& map, std::vector<ConfigEntry>& entries, int depth);
  void wrong_kind(const ConfigValue& value, std::string_view expected);
  void add(Problem problem);

  std::vector<Problem> problems_{};
  int merges_ = 0;
};

/// The keys of a table as paths below `prefix`.
template <class Target>
void append_key_paths(std::vector<std::string>& paths, const std::string& prefix,
                      std::span<const ConfigKey<Target>> keys) {
  for (const auto& key : keys)
    paths.push_back(prefix.empty() ? std::string(key.name) : prefix + "." + std::string(key.name));
}

}  // namespace dixis
