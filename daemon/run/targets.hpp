#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/model/spec.hpp"
#include "daemon/run/instance.hpp"
#include "daemon/run/supervisor.hpp"

namespace dixis {

/// An app and its slots.
struct App {
  AppSpec spec{};
  std::vector<InstancePtr> instances{};
};
using Apps = std::map<std::string, App>;

/// A slot that a verb is for.
struct Target {
  InstancePtr instance{};
  bool by_name = false;   ///< named itself, not by `all`, a glob or a tag
  bool whole_app = true;  ///< the app was named, not NAME:N
};

/// The slots that `targets` name, each once, in the order of apps; none given: all. Names, NAME:N,
/// globs, tags and 'all'.
std::vector<Target> resolve_targets(const Apps& apps, const std::vector<std::string>& targets);

/// The first target that names nothing, with the nearest name there is.
std::optional<NoSuchApp> find_unknown(const Apps& apps, const std::vector<std::string>& targets);

}  // namespace dixis
