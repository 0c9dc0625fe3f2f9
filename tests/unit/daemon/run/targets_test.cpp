#include "daemon/run/targets.hpp"

#include <memory>

#include <boost/asio.hpp>
#include <catch2/catch.hpp>

#include "tests/unit/daemon/sys/support.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

/// backend, frontend (2 slots) and front-admin, none of which runs.
class Fleet {
  // Before the apps, which refer to them.
  boost::asio::io_context loop_;
  TemporaryDirectory directory_{};
  Services services_{loop_, Directories{directory_ / "dixis.yaml", directory_.path(),
                                        directory_.path(), directory_.path()}};

 public:
  Fleet() {
    add("backend", 1, {"php"});
    add("frontend", 2, {"next", "web"});
    add("front-admin", 1, {"next"});
  }

  /// "frontend:0 frontend:1 …", a ! after those that were named themselves.
  std::string resolve(const std::vector<std::string>& targets) const {
    std::string out;
    for (const auto& target : resolve_targets(apps, targets)) {
      out += (out.empty() ? "" : " ") + target.instance->spec().name + ":" +
             std::to_string(target.instance->number()) + (target.by_name ? "!" : "");
    }
    return out;
  }

  Apps apps{};

 private:
  void add(const std::string& name, std::uint32_t count, std::vector<std::string> tags) {
    App app;
    app.spec.name = name;
    app.spec.instances = count;
    app.spec.tags = std::move(tags);
    for (std::uint32_t number = 0; number < count; ++number) {
      app.instances.push_back(std::make_shared<Instance>(services_, app.spec, number));
    }
    apps[name] = std::move(app);
  }
};

}  // namespace

TEST_CASE("targets name slots, each once, in the order of apps", "[run][targets]") {
  const Fleet fleet;
  const std::string all = "backend:0 front-admin:0 frontend:0 frontend:1";
  CHECK(fleet.resolve({}) == all);
  CHECK(fleet.resolve({"all"}) == all);
  CHECK(fleet.resolve({"*"}) == all);
  CHECK(fleet.resolve({"frontend"}) == "frontend:0! frontend:1!");
  CHECK(fleet.resolve({"frontend:1"}) == "frontend:1!");
  CHECK(fleet.resolve({"front*"}) == "front-admin:0 frontend:0 frontend:1");
  CHECK(fleet.resolve({"front*:1"}) == "frontend:1");
  CHECK(fleet.resolve({"[bf]*end"}) == "backend:0 frontend:0 frontend:1");
  CHECK(fleet.resolve({"next"}) == "front-admin:0 frontend:0 frontend:1");
  CHECK(fleet.resolve({"web:0"}) == "frontend:0");
  CHECK(fleet.resolve({"frontend", "backend", "frontend"}) == "backend:0! frontend:0! frontend:1!");
}

TEST_CASE("who is named counts as named, beside a glob too", "[run][targets]") {
  const Fleet fleet;
  CHECK(fleet.resolve({"all", "backend"}) == "backend:0! front-admin:0 frontend:0 frontend:1");
  CHECK(fleet.resolve({"frontend:0", "front*"}) == "front-admin:0 frontend:0! frontend:1");
}

TEST_CASE("an app is named whole, or one of its slots", "[run][targets]") {
  const Fleet fleet;
  const auto whole = resolve_targets(fleet.apps, {"frontend"});
  REQUIRE(whole.size() == 2);
  CHECK(whole[0].whole_app);
  const auto one = resolve_targets(fleet.apps, {"frontend:1"});
  REQUIRE(one.size() == 1);
  CHECK_FALSE(one[0].whole_app);
  for (const std::vector<std::string>& both :
       {std::vector<std::string>{"frontend:1", "frontend"}, {"frontend", "frontend:1"}}) {
    for (const auto& target : resolve_targets(fleet.apps, both)) CHECK(target.whole_app);
  }
}

TEST_CASE("a target that names nothing is told, with the nearest name", "[run][targets]") {
  const Fleet fleet;
  CHECK_FALSE(find_unknown(fleet.apps, {}));
  CHECK_FALSE(find_unknown(fleet.apps, {"all", "frontend", "frontend:1", "php", "b*"}));
  const auto typo = find_unknown(fleet.apps, {"backend", "frontned"});
  REQUIRE(typo);
  CHECK(typo->target == "frontned");
  CHECK(typo->nearest == "frontend");
  for (const std::string target :
       {"frontend:2", "frontend:", "frontend:x", "frontend:-1", "frontend:99999999999", ":0", "x*",
        "", "FRONTEND", "completely-else"}) {
    INFO(target);
    CHECK(find_unknown(fleet.apps, {target}));
  }
  CHECK_FALSE(find_unknown(fleet.apps, {"completely-else"})->nearest);
  CHECK_FALSE(find_unknown({}, {"all"}));
}
