#include "daemon/run/build/build_on_disk.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "tests/unit/temporary_directory.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;

namespace {

/// An app's directory, with files as a build leaves them.
struct Site {
  TemporaryDirectory directory;
  AppSpec spec;

  Site() {
    spec.name = "web";
    spec.cwd = directory.path();
    spec.command = {"node", "server.js"};
  }

  void write(const std::string& file, const std::string& text = "") const {
    fs::create_directories((directory.path() / file).parent_path());
    std::ofstream(directory.path() / file) << text;
  }
  void config(const std::string& dist, const std::string& output = "") const {
    write(dist + "/required-server-files.json",
          R"({"version":1,"config":{"distDir":")" + dist + R"(","basePath":"/shop")" +
              (output.empty() ? "" : R"(,"output":")" + output + "\"") + "}}");
  }
  std::optional<BuildOnDisk> read() const { return read_build(spec, std::nullopt).value(); }
  std::vector<Problem> pitfalls() const {
    Config config;
    config.apps["web"] = spec;
    return build_pitfalls(config);
  }
};

bool names(const std::vector<Problem>& problems, const std::string& text) {
  return std::any_of(problems.begin(), problems.end(), [&](const Problem& problem) {
    return problem.warning && problem.message.find(text) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("an app without .next has no build unless it says so", "[build]") {
  Site site;
  CHECK_FALSE(site.read());
  site.spec.health.build.kind = BuildSpec::Kind::next;
  const auto build = site.read();
  REQUIRE(build);
  CHECK_FALSE(build->complete);
  CHECK(build->missing == ".next/BUILD_ID is missing");
  site.spec.health.build.kind = BuildSpec::Kind::none;
  site.write(".next/BUILD_ID", "id");
  CHECK_FALSE(site.read());
}

TEST_CASE("a build is found in .next, or where distDir put it", "[build]") {
  Site site;
  const std::string dist = GENERATE(as<std::string>{}, ".next", "out");
  site.config(dist);
  site.write(dist + "/BUILD_ID", "A1b2C3\n");
  site.write(dist + "/export-marker.json", "{}");
  site.spec.health.build.kind = BuildSpec::Kind::next;
  const auto build = site.read();
  REQUIRE(build);
  CHECK(build->complete);
  CHECK(build->id == "A1b2C3");
  CHECK(build->config.dist_dir == dist);
  CHECK(build->config.base_path == "/shop");
  CHECK(build->changed_ms_ago);
  CHECK_FALSE(build->builder);
}

TEST_CASE("a standalone output that was copied to its own place is whole", "[build]") {
  Site site;
  site.config(".next", "standalone");
  site.write(".next/BUILD_ID", "A1b2C3");
  site.write(".next/static/x.js");
  CHECK_FALSE(site.read()->complete);
  site.write("server.js", "x");
  CHECK(site.read()->complete);
  CHECK(site.read()->config.standalone);
  CHECK(site.pitfalls().empty());
}

TEST_CASE("what was not copied into a standalone output is a pitfall", "[build]") {
  Site site;
  site.config(".next", "standalone");
  for (const auto* file : {".next/BUILD_ID", ".next/standalone/.next/BUILD_ID"}) {
    site.write(file, "A1b2C3");
  }
  site.write(".next/export-marker.json");
  site.write(".next/standalone/server.js", "x");
  site.write("public/logo.svg");
  site.spec.command = {"node", ".next/standalone/server.js"};
  REQUIRE(site.read()->complete);
  CHECK(names(site.pitfalls(), ".next/static"));
  CHECK(names(site.pitfalls(), "public"));
  site.write(".next/standalone/.next/static/a.js");
  site.write(".next/standalone/public/logo.svg");
  CHECK(site.pitfalls().empty());
  site.spec.command = {"node_modules/.bin/next", "start"};
  CHECK(names(site.pitfalls(), "`next start` refuses"));
}

TEST_CASE("an id file is a build of its own", "[build]") {
  Site site;
  site.spec.health.build.kind = BuildSpec::Kind::file;
  site.spec.health.build.id_file = site.directory.path() / "VERSION";
  CHECK_FALSE(site.read()->complete);
  site.write("VERSION", "\n");
  CHECK(site.read()->missing.ends_with("VERSION is empty"));
  site.write("VERSION", "  v1.2.3 \n");
  CHECK(site.read()->complete);
  CHECK(site.read()->id == "v1.2.3");
}

TEST_CASE("a whole copy that lost its times is whole when its last file comes", "[build]") {
  Site site;
  site.write(".next/export-marker.json", "{}");
  site.write(".next/BUILD_ID", "A1b2C3");
  const auto marker = site.directory.path() / ".next/export-marker.json";
  fs::last_write_time(marker, fs::last_write_time(marker) - std::chrono::hours(1));
  const auto last = site.directory.path() / ".next/static/A1b2C3/_ssgManifest.js";
  const auto build = site.read();
  REQUIRE(build);
  CHECK(build->missing == ".next/export-marker.json is older than BUILD_ID");
  // It may come after all others: it is awaited.
  CHECK(std::count(build->watched.begin(), build->watched.end(), last) == 1);
  site.write(".next/static/A1b2C3/_ssgManifest.js", "x");
  CHECK(site.read()->complete);

  // An id that leads elsewhere names no file of the build.
  site.write(".next/BUILD_ID", "../../elsewhere");
  const auto odd = site.read();
  CHECK(std::none_of(odd->watched.begin(), odd->watched.end(), [](const fs::path& file) {
    return file.string().find("elsewhere") != std::string::npos;
  }));
}

TEST_CASE("files that are no regular ones are nobody's build", "[build]") {
  Site site;
  fs::create_directories(site.directory.path() / ".next");
  REQUIRE(::mkfifo((site.directory.path() / ".next/BUILD_ID").c_str(), 0644) == 0);
  CHECK(site.read()->missing == ".next/BUILD_ID is missing");
}

TEST_CASE("a copy that was broken off lacks what its manifests name", "[build]") {
  Site site;
  site.write(".next/BUILD_ID", "A1b2C3");
  site.write(".next/export-marker.json", "{}");
  site.write(".next/required-server-files.json",
             R"({"config":{"distDir":".next"},"files":[".next/BUILD_ID",".next/routes.json"]})");
  site.write(".next/server/app-paths-manifest.json", R"({"/page":"app/page.js"})");
  site.write(".next/build-manifest.json", R"({"rootMainFiles":["static/chunks/main.js"]})");
  for (const std::string file :
       {".next/routes.json", ".next/server/app/page.js", ".next/static/chunks/main.js"}) {
    const auto build = site.read();
    REQUIRE(build.has_value());
    CHECK_FALSE(build->complete);
    CHECK(build->missing == file + " is missing");
    const auto& watched = build->watched;
    CHECK(std::find(watched.begin(), watched.end(), site.directory.path() / file) != watched.end());
    site.write(file, "x");
  }
  CHECK(site.read()->complete);

  // What was broken off may be empty, and what lies beside a page may tell its chunks.
  site.write(".next/server/app/page.js");
  CHECK(site.read()->missing == ".next/server/app/page.js is empty");
  site.write(".next/server/app/page.js", "x");
  site.write(".next/server/app/page.js.nft.json",
             R"({"files":["../chunks/7.js","../../../node_modules/next/x.js"]})");
  CHECK(site.read()->missing == ".next/server/chunks/7.js is missing");
  site.write(".next/server/chunks/7.js");
  CHECK(site.read()->complete);
  site.write(".next/build-manifest.json", "{");
  CHECK(site.read()->missing == ".next/build-manifest.json isn't JSON");
  site.write(".next/build-manifest.json", R"({"rootMainFiles":["static/chunks/main.js"]})");

  // Static files are somebody else's business where the configuration says so.
  fs::remove_all(site.directory.path() / ".next/static");
  CHECK_FALSE(site.read()->complete);
  site.spec.health.assets = false;
  CHECK(site.read()->complete);
}

TEST_CASE("the command tells whether a build beside it is its own", "[build]") {
  Site site;
  const auto has_build = [&](std::vector<std::string> command) {
    site.spec.command = std::move(command);
    return site.read().has_value();
  };
  // Before there is any build: `next start` has none, and says so.
  CHECK(has_build({"next", "start", "-p", "3000"}));
  CHECK_FALSE(site.read()->complete);
  CHECK_FALSE(has_build({"node", "server.js"}));
  site.write("server.js", "require('next/dist/server/lib/start-server')");
  CHECK(has_build({"node", "server.js"}));
  CHECK_FALSE(has_build({"./start.sh"}));

  site.write(".next/BUILD_ID", "A1b2C3");
  CHECK(has_build({"./start.sh"}));
  CHECK(has_build({"npm", "start"}));  // without a package.json nobody knows
  site.write("package.json", R"({"scripts":{"start":"node api.js","web":"next start"}})");
  CHECK_FALSE(has_build({"npm", "start"}));
  CHECK(has_build({"npm", "run", "web"}));
  for (const std::string other : {"python3", "php", "/usr/bin/node", "java"}) {
    CHECK_FALSE(has_build({other, "api.x"}));
  }
  CHECK_FALSE(has_build({"next", "dev"}));
}

TEST_CASE("an id that is longer than any is damage", "[build]") {
  Site site;
  site.write(".next/BUILD_ID", std::string(100'000, 'x'));
  const auto build = site.read();
  CHECK_FALSE(build->id.has_value());
  CHECK(build->missing == ".next/BUILD_ID is longer than 200 bytes");
}
