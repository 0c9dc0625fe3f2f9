#include "daemon/run/executable.hpp"

#include <filesystem>

#include <catch2/catch.hpp>

#include "tests/unit/daemon/sys/support.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;

namespace {

/// An app in a directory of its own, whose PATH is bin/ there.
struct Site {
  TemporaryDirectory directory{};
  AppSpec spec{};
  LaunchPlan plan{};

  Site() {
    fs::create_directories(directory / "bin");
    spec.name = "shop";
    spec.cwd = directory.path();
    plan.environment = {{"PATH", (directory / "bin").string()}, {"HOME", home()}};
  }

  std::string home() const { return (directory / "home").string(); }
  std::string at(const std::string& name) const { return (directory / name).string(); }

  void program(const std::string& name,
               const std::string& text =
                   "\x7f"
                   "ELF",
               unsigned mode = 0755) const {
    fs::create_directories((directory / name).parent_path());
    directory.write(name, text, mode);
  }

  Result<std::string> find(const std::string& name) const {
    return find_executable(name, spec, plan);
  }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a bare name is found in PATH, the first that can be run", "[run][executable]") {
  Site site;
  site.plan.environment["PATH"] = site.at("none") + "::" + site.at("bin") + ":" + site.at("more");
  site.program("bin/server", "", 0644);
  site.program("more/server");
  CHECK(site.find("server").value() == site.at("more/server"));
  fs::create_directories(site.directory / "bin/tool");  // a directory is no program
  site.program("more/tool");
  CHECK(site.find("tool").value() == site.at("more/tool"));
}

TEST_CASE("a name with a slash is meant from cwd", "[run][executable]") {
  Site site;
  site.program("node_modules/.bin/next");
  CHECK(site.find("node_modules/.bin/next").value() == site.at("node_modules/.bin/next"));
  CHECK(site.find("./bin/../node_modules/.bin/next").value() == site.at("node_modules/.bin/next"));
  CHECK(site.find(site.at("node_modules/.bin/next")).has_value());
  site.program("server");
  CHECK_FALSE(site.find("server").has_value());  // cwd isn't in PATH
}

TEST_CASE("without a PATH the default one serves", "[run][executable]") {
  Site site;
  site.plan.environment.clear();
  CHECK(contains(site.find("sh").value(), "/bin/sh"));
}

TEST_CASE("what isn't found, or can't be run, says why and what to do", "[run][executable]") {
  Site site;
  const auto missing = site.find("serverr");
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().message == "cannot start shop: command serverr: No such file or directory");
  CHECK(contains(missing.error().hint, "`path`"));

  const auto relative = site.find("bin/none");
  REQUIRE_FALSE(relative.has_value());
  CHECK(contains(relative.error().hint, "correct `command`"));

  site.program("bin/plain", "text", 0644);
  const auto plain = site.find("plain");
  REQUIRE_FALSE(plain.has_value());
  CHECK(contains(plain.error().message, "Permission denied"));

  const auto directory = site.find("./bin");
  REQUIRE_FALSE(directory.has_value());
  CHECK(contains(directory.error().message, "Is a directory"));
}

TEST_CASE("a node of a version manager is named, the newest", "[run][executable]") {
  Site site;
  site.program("home/.nvm/versions/node/v18.20.0/bin/node");
  site.program("home/.nvm/versions/node/v20.11.1/bin/node");
  const auto found = site.find("node");
  REQUIRE_FALSE(found.has_value());
  CHECK(contains(found.error().hint,
                 "add `path: " + site.at("home/.nvm/versions/node/v20.11.1/bin") + "`"));
}

TEST_CASE("the interpreter of a script is looked for too", "[run][executable]") {
  Site site;
  SECTION("there") {
    site.program("bin/script", "#!/bin/sh -e\nexit 0\n");
    CHECK(site.find("script").has_value());
  }
  SECTION("missing") {
    site.program("bin/script", "#! /nowhere/python\n");
    const auto found = site.find("script");
    REQUIRE_FALSE(found.has_value());
    CHECK(contains(found.error().message, "the interpreter of " + site.at("bin/script")));
    CHECK(contains(found.error().message, "/nowhere/python: No such file"));
  }
  SECTION("through env, in the app's PATH") {
    site.program("bin/next", "#!/usr/bin/env node\n");
    const auto found = site.find("next");
    REQUIRE_FALSE(found.has_value());
    CHECK(contains(found.error().message, "node: No such file"));
    site.program("bin/node");
    CHECK(site.find("next").has_value());
  }
  SECTION("through env -S") {
    site.program("bin/next", "#!/usr/bin/env -S node --no-warnings\n");
    CHECK_FALSE(site.find("next").has_value());
    site.program("bin/node");
    CHECK(site.find("next").has_value());
  }
  SECTION("missing for a script by its path, with the version manager's hint") {
    site.program("home/.volta/bin/node");
    site.program("bin/next", "#!/usr/bin/env node\n");
    const auto found = site.find("./bin/next");
    REQUIRE_FALSE(found.has_value());
    CHECK(contains(found.error().hint, site.at("home/.volta/bin")));
  }
}

TEST_CASE("what counts is what the app's user may run", "[run][executable]") {
  if (!is_root()) return;
  Site site;
  site.program("bin/server",
               "\x7f"
               "ELF",
               0700);
  CHECK(site.find("server").has_value());
  site.plan.credentials = nobody();
  const auto found = site.find("server");
  REQUIRE_FALSE(found.has_value());
  CHECK(contains(found.error().message, "Permission denied"));
}
