#include "daemon/model/start_order.hpp"

#include <algorithm>
#include <set>

namespace dixis {
namespace {

using Edges = std::map<std::string, std::vector<std::string>>;

/// Every app in `left` waits for another one in it: following the waits must come round.
std::vector<std::string> find_cycle(const Edges& after, const std::set<std::string>& left) {
  std::vector<std::string> way{*left.begin()};
  for (;;) {
    const auto& waits_for = after.at(way.back());
    const auto next = *std::find_if(waits_for.begin(), waits_for.end(),
                                    [&](const auto& name) { return left.contains(name); });
    const auto seen = std::find(way.begin(), way.end(), next);
    if (seen != way.end()) return {seen, way.end()};
    way.push_back(next);
  }
}

}  // namespace

StartOrder start_order(const Edges& after) {
  std::map<std::string, std::size_t> waits;
  std::map<std::string, std::vector<std::string>> dependents;
  std::set<std::string> ready;
  std::set<std::string> left;
  for (const auto& [app, names] : after) {
    const std::set<std::string> distinct(names.begin(), names.end());
    auto& count = waits[app];
    for (const auto& name : distinct) {
      if (!after.contains(name)) continue;
      ++count;
      dependents[name].push_back(app);
    }
    if (count == 0) ready.insert(app);
    left.insert(app);
  }
  StartOrder result;
  while (!ready.empty()) {
    const auto app = *ready.begin();
    ready.erase(ready.begin());
    left.erase(app);
    for (const auto& dependent : dependents[app])
      if (--waits[dependent] == 0) ready.insert(dependent);
    result.order.push_back(app);
  }
  if (!left.empty()) {
    result.cycle = find_cycle(after, left);
    result.order.insert(result.order.end(), left.begin(), left.end());
  }
  return result;
}

}  // namespace dixis
