#include "daemon/run/targets.hpp"

#include <algorithm>
#include <charconv>

#include "daemon/model/words.hpp"

namespace dixis {

namespace {

/// "frontend:1" → {"frontend", 1}.
struct SlotName {
  std::string app{};
  std::optional<std::uint32_t> instance{};
};

SlotName parse_slot_name(const std::string& target) {
  const auto colon = target.rfind(':');
  if (colon == std::string::npos) return {target, {}};
  std::uint32_t number = 0;
  const char* begin = target.data() + colon + 1;
  const char* end = target.data() + target.size();
  const auto [rest, error] = std::from_chars(begin, end, number);
  if (error != std::errc{} || rest != end) return {target, {}};
  return {target.substr(0, colon), number};
}

bool is_pattern(const std::string& target) {
  return target.find_first_of("*?[") != std::string::npos;
}

bool has_tag(const App& app, const std::string& target) {
  return std::find(app.spec.tags.begin(), app.spec.tags.end(), target) != app.spec.tags.end();
}

/// How `target` matches a slot of `app`; nullopt: it doesn't.
std::optional<Target> match(const std::string& target, const App& app, const InstancePtr& slot) {
  const auto name = parse_slot_name(target);
  const bool number_fits = !name.instance || *name.instance == slot->number();
  if (!number_fits) return std::nullopt;
  if (name.app == app.spec.name) return Target{slot, true, !name.instance};
  const bool by_group = target == "all" || has_tag(app, name.app) ||
                        (is_pattern(name.app) && glob_match(name.app, app.spec.name));
  if (by_group) return Target{slot, false, !name.instance};
  return std::nullopt;
}

std::optional<Target> match_any(const std::vector<std::string>& targets, const App& app,
                                const InstancePtr& slot) {
  if (targets.empty()) return Target{slot, false, true};
  std::optional<Target> best;
  for (const auto& target : targets) {
    const auto found = match(target, app, slot);
    if (!found) continue;
    if (!best) best = Target{slot, false, false};
    // Whichever says more counts, in whatever order they are given.
    best->by_name |= found->by_name;
    best->whole_app |= found->whole_app;
  }
  return best;
}

}  // namespace

std::vector<Target> resolve_targets(const Apps& apps, const std::vector<std::string>& targets) {
  std::vector<Target> out;
  for (const auto& [name, app] : apps) {
    for (const auto& slot : app.instances) {
      if (auto found = match_any(targets, app, slot)) out.push_back(std::move(*found));
    }
  }
  return out;
}

std::optional<NoSuchApp> find_unknown(const Apps& apps, const std::vector<std::string>& targets) {
  for (const auto& target : targets) {
    if (target == "all" || !resolve_targets(apps, {target}).empty()) continue;
    std::vector<std::string> names;
    for (const auto& [name, app] : apps) names.push_back(name);
    return NoSuchApp{target, nearest(parse_slot_name(target).app, names)};
  }
  return std::nullopt;
}

}  // namespace dixis
