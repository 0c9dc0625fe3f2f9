#include "daemon/run/environment.hpp"

#include <cstdlib>

#include <catch2/catch.hpp>

using namespace dixis;

namespace {

const Credentials kDeploy{1001, 1001, {1001}, "deploy", "/home/deploy", "/bin/bash"};

AppSpec shop() {
  AppSpec spec;
  spec.name = "shop";
  return spec;
}

}  // namespace

TEST_CASE("an app gets its user's variables, and nothing of the daemon's", "[run][environment]") {
  ::setenv("DIXIS_TEST_OF_THE_DAEMON", "secret", 1);
  const auto environment = app_environment(shop(), kDeploy, {}, {2, "abc/shop/2/7@1"});
  ::unsetenv("DIXIS_TEST_OF_THE_DAEMON");
  CHECK(environment == Environment{{"HOME", "/home/deploy"},
                                   {"USER", "deploy"},
                                   {"LOGNAME", "deploy"},
                                   {"SHELL", "/bin/bash"},
                                   {"LANG", "C.UTF-8"},
                                   {"PATH", kDefaultPath},
                                   {"DIXIS_APP", "shop"},
                                   {"DIXIS_INSTANCE", "2"},
                                   {"NODE_APP_INSTANCE", "2"},
                                   {"DIXIS_TREE", "abc/shop/2/7@1"}});
}

TEST_CASE("env wins over env_file, and both over the defaults", "[run][environment]") {
  auto spec = shop();
  spec.env = {{"PORT", "3000"}, {"HOME", "/srv/shop"}};
  const Environment from_files{{"PORT", "1"}, {"LANG", "el_GR.UTF-8"}, {"KEY", "a=b c"}};
  const auto environment = app_environment(spec, kDeploy, from_files, {});
  CHECK(environment.at("PORT") == "3000");
  CHECK(environment.at("HOME") == "/srv/shop");
  CHECK(environment.at("LANG") == "el_GR.UTF-8");
  CHECK(environment.at("KEY") == "a=b c");
}

TEST_CASE("what dixis adds can't be overridden: trees are found by it", "[run][environment]") {
  auto spec = shop();
  spec.env = {{"DIXIS_TREE", "another"}, {"DIXIS_APP", "another"}};
  const auto environment = app_environment(spec, kDeploy, {{"DIXIS_INSTANCE", "9"}}, {0, "this"});
  CHECK(environment.at("DIXIS_TREE") == "this");
  CHECK(environment.at("DIXIS_APP") == "shop");
  CHECK(environment.at("DIXIS_INSTANCE") == "0");
}

TEST_CASE("path goes before PATH, in its order", "[run][environment]") {
  auto spec = shop();
  spec.path = {"/opt/node/bin", "/opt/tools"};
  SECTION("the default one") {
    CHECK(app_environment(spec, kDeploy, {}, {}).at("PATH") ==
          std::string("/opt/node/bin:/opt/tools:") + kDefaultPath);
  }
  SECTION("the app's own") {
    spec.env = {{"PATH", "/only"}};
    CHECK(app_environment(spec, kDeploy, {}, {}).at("PATH") == "/opt/node/bin:/opt/tools:/only");
  }
}

TEST_CASE("an environment becomes what execve takes", "[run][environment]") {
  CHECK(to_envp({{"B", "x=y"}, {"A", ""}}) == std::vector<std::string>{"A=", "B=x=y"});
  CHECK(to_envp({}).empty());
}
