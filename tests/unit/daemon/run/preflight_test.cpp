#include <filesystem>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "daemon/run/launch_plan.hpp"
#include "tests/unit/daemon/run/ports.hpp"
#include "tests/unit/daemon/sys/support.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;

namespace {

/// A small app that passes, in a directory of its own.
struct Site {
  TemporaryDirectory directory{};
  PreflightRequest request{};

  Site() {
    request.spec.name = "shop";
    request.spec.cwd = directory.path();
    request.spec.command = {"sh", "-c", "exit 0"};
    request.mark = {1, "mark"};
  }

  AppSpec& spec() { return request.spec; }
  LaunchPlan pass() const {
    auto plan = preflight(request);
    if (!plan) FAIL(plan.error().message);
    return std::move(*plan);
  }
  Error refusal() const {
    const auto plan = preflight(request);
    REQUIRE_FALSE(plan.has_value());
    CHECK(plan.error().message.starts_with("cannot start shop: "));
    CHECK_FALSE(plan.error().hint.empty());
    return plan.error();
  }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a preflight gives all that a spawn needs", "[run][preflight]") {
  Site site;
  site.spec().env = {{"KEY", "value"}};
  const auto plan = site.pass();
  CHECK(contains(plan.executable, "/bin/sh"));
  CHECK(plan.argv == site.spec().command);
  CHECK(plan.environment.at("KEY") == "value");
  CHECK(plan.environment.at("DIXIS_TREE") == "mark");
  CHECK(plan.environment.at("DIXIS_INSTANCE") == "1");
  CHECK_FALSE(plan.credentials);  // it stays what the daemon is
  CHECK_FALSE(plan.listen);
}

TEST_CASE("a cwd that isn't there is refused", "[run][preflight]") {
  Site site;
  site.spec().cwd = site.directory / "none";
  CHECK(contains(site.refusal().message, "none: No such file or directory"));
  site.spec().cwd = site.directory.write("file", "");
  CHECK(contains(site.refusal().message, "file: Not a directory"));
}

TEST_CASE("a cwd that the user may not enter is refused", "[run][preflight]") {
  if (!is_root()) return;
  Site site;
  site.spec().user = "nobody";
  CHECK(site.pass().credentials->uid == kNobody);
  fs::permissions(site.directory.path(), fs::perms(0700));
  const auto error = site.refusal();
  CHECK(contains(error.message, "as user nobody"));
  CHECK(contains(error.message, "Permission denied"));
}

TEST_CASE("a user or group that isn't there is refused", "[run][preflight]") {
  Site site;
  site.spec().user = "no-such-user-here";
  CHECK(contains(site.refusal().message, "no-such-user-here"));
  site.spec().user.reset();
  site.spec().group = "no-such-group-here";
  CHECK(contains(site.refusal().message, "no-such-group-here"));
}

TEST_CASE("env_files are read in order, the later ones win", "[run][preflight]") {
  Site site;
  site.spec().env_files = {site.directory.write("one.env", "A=1\nB=1\nC=1\n"),
                           site.directory.write("two.env", "B=2\nexport C='2'\n")};
  site.spec().env = {{"C", "3"}};
  const auto plan = site.pass();
  CHECK(plan.environment.at("A") == "1");
  CHECK(plan.environment.at("B") == "2");
  CHECK(plan.environment.at("C") == "3");
}

TEST_CASE("an env_file that can't be used is named", "[run][preflight]") {
  Site site;
  SECTION("missing") {
    site.spec().env_files = {site.directory / "none.env"};
    CHECK(contains(site.refusal().message, "none.env"));
  }
  SECTION("malformed") {
    site.spec().env_files = {site.directory.write("bad.env", "A=1\nB=\"open\n")};
    const auto plan = preflight(site.request);
    if (!plan) CHECK(contains(plan.error().message, "bad.env"));
  }
  SECTION("a fifo, which would wait for ever") {
    const auto fifo = site.directory / "fifo.env";
    REQUIRE(::mkfifo(fifo.c_str(), 0644) == 0);
    site.spec().env_files = {fifo};
    const auto plan = preflight(site.request);
    REQUIRE_FALSE(plan.has_value());
    CHECK(contains(plan.error().message, "fifo.env"));
  }
}

TEST_CASE("a command that isn't there is refused", "[run][preflight]") {
  Site site;
  site.spec().command = {"no-such-command-here"};
  CHECK(contains(site.refusal().message, "command no-such-command-here"));
}

TEST_CASE("the path of the app is where its command is looked for", "[run][preflight]") {
  Site site;
  fs::create_directory(site.directory / "tools");
  site.directory.write("tools/serve", "#!/bin/sh\n", 0755);
  site.spec().command = {"serve"};
  CHECK_FALSE(preflight(site.request).has_value());
  site.spec().path = {(site.directory / "tools").string()};
  CHECK(site.pass().executable == (site.directory / "tools/serve").string());
}

TEST_CASE("npm start becomes what its script says", "[run][preflight]") {
  Site site;
  fs::create_directories(site.directory / "node_modules/.bin");
  const auto next = site.directory.write("node_modules/.bin/next", "#!/bin/sh\n", 0755);
  site.directory.write("package.json",
                       R"({"name": "shop", "scripts": {"start": "next start -p 4567"}})");
  site.spec().command = {"npm", "start"};
  const auto plan = site.pass();
  CHECK(plan.executable == next.string());
  CHECK(plan.argv == std::vector<std::string>{"next", "start", "-p", "4567"});
  CHECK(plan.environment.at("npm_package_name") == "shop");
  CHECK(plan.environment.at("npm_lifecycle_event") == "start");
  CHECK(plan.environment.at("INIT_CWD") == site.directory.path().string());
  CHECK(plan.environment.at("PATH").starts_with((site.directory / "node_modules/.bin").string() +
                                                ":"));
  REQUIRE(plan.listen);
  CHECK(plan.listen->port == 4567);
}

TEST_CASE("a taken port is refused, unless nobody asked", "[run][preflight]") {
  Site site;
  const Listens other("127.0.0.1");
  site.spec().listen = ListenAddress{"127.0.0.1", other.port()};
  CHECK(contains(site.refusal().message, "is taken"));
  site.request.check_port = false;
  CHECK(site.pass().listen->port == other.port());
}

TEST_CASE("a port from the environment is checked where the app will bind it", "[run][preflight]") {
  Site site;
  const Listens other("127.0.0.1");
  site.spec().env = {{"PORT", std::to_string(other.port())}, {"HOSTNAME", "127.0.0.2"}};
  CHECK(site.pass().listen->host == "127.0.0.2");
  site.spec().env["HOSTNAME"] = "127.0.0.1";
  CHECK(contains(site.refusal().message, "127.0.0.1"));
}
