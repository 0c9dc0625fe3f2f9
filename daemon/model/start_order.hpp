#pragma once

#include <map>
#include <string>
#include <vector>

namespace dixis {

/// The order in which apps start: each after those that its `after` names; else by name.
struct StartOrder {
  std::vector<std::string> order;
  std::vector<std::string> cycle;  ///< the apps of a cycle, in its order; empty if there is none
};

/// `after`: app → the apps it starts after. Names that aren't keys are ignored here.
StartOrder start_order(const std::map<std::string, std::vector<std::string>>& after);

}  // namespace dixis
