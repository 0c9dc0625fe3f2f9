#include "daemon/model/start_order.hpp"

#include <algorithm>
#include <random>

#include <catch2/catch.hpp>

using namespace dixis;
using Edges = std::map<std::string, std::vector<std::string>>;
using Names = std::vector<std::string>;

TEST_CASE("each app starts after those it names, else by name", "[start_order]") {
  CHECK(start_order({}).order.empty());
  CHECK(start_order({{"c", {}}, {"a", {"c"}}, {"b", {}}}).order == Names{"b", "c", "a"});
  CHECK(start_order({{"a", {"nobody"}}, {"b", {"a", "a"}}}).order == Names{"a", "b"});
}

TEST_CASE("a cycle is shown in its order", "[start_order]") {
  CHECK(start_order({{"a", {"a"}}}).cycle == Names{"a"});
  const auto result =
      start_order({{"a", {"b"}}, {"b", {"c"}}, {"c", {"a"}}, {"d", {"a"}}, {"e", {}}});
  CHECK(result.cycle == Names{"a", "b", "c"});
  CHECK(result.order.size() == 5);
  CHECK(result.order.front() == "e");
}

TEST_CASE("random graphs: the order holds, or the cycle is one", "[start_order]") {
  std::mt19937 random(20'260'101);
  for (int round = 0; round < 2'000; ++round) {
    Edges after;
    const int count = 1 + static_cast<int>(random() % 8);
    for (int i = 0; i < count; ++i) after[std::string(1, static_cast<char>('a' + i))];
    for (auto& [app, names] : after)
      for (int i = 0; i < count; ++i)
        if (random() % 6 == 0) names.emplace_back(1, static_cast<char>('a' + i));
    const auto result = start_order(after);
    REQUIRE(result.order.size() == after.size());
    for (std::size_t i = 0; i < result.cycle.size(); ++i) {
      const auto& names = after[result.cycle[i]];
      const auto& next = result.cycle[(i + 1) % result.cycle.size()];
      REQUIRE(std::find(names.begin(), names.end(), next) != names.end());
    }
    if (!result.cycle.empty()) continue;
    for (auto app = result.order.begin(); app != result.order.end(); ++app)
      for (const auto& name : after[*app])
        REQUIRE(std::find(result.order.begin(), app, name) != app);
  }
}
