// What the probes of good samples come to. Their errors are in tests/fixtures/config.
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "daemon/model/command_facts.hpp"
#include "daemon/model/config.hpp"

using namespace dixis;
using namespace std::chrono_literals;

namespace {

const std::filesystem::path kSamples =
    std::filesystem::path(DIXIS_SOURCE_DIR) / "tests/fixtures/config";

Config load(const std::string& sample) {
  const auto loaded = load_config(kSamples / "good" / sample, {.check_ownership = false});
  REQUIRE(loaded.ok());
  return loaded.config;
}

/// A probe with the defaults of the design, but for what is asked.
template <class What>
ProbeSpec probe(std::string name, What what) {
  ProbeSpec spec;
  spec.what = std::move(what);
  spec.name = std::move(name);
  spec.interval = 10s;
  spec.timeout = 2s;
  spec.failures = 3;
  spec.successes = 1;
  return spec;
}

AppSpec app_of(std::vector<std::string> command, const std::string& cwd = "/srv/site") {
  AppSpec spec;
  spec.command = std::move(command);
  spec.cwd = cwd;
  return spec;
}

}  // namespace

TEST_CASE("each way to write a probe, and the defaults", "[config][health]") {
  const auto config = load("probes.yaml");
  const auto probes = [&](const std::string& app) {
    INFO(app);
    const auto& written = config.apps.at(app).health.probes;
    REQUIRE(written);
    return *written;
  };
  using Probes = std::vector<ProbeSpec>;
  const std::vector<StatusRange> good{{200, 299}};
  CHECK(probes("paths") == Probes{probe("http /api/health?…",
                                        HttpProbe{.path = "/api/health?deep=1", .status = good})});
  CHECK(probes("url") ==
        Probes{probe(
            "http 127.0.0.1:3000/x",
            HttpProbe{.host = "127.0.0.1", .port = 3000, .path = "/x", .status = {{200, 200}}})});
  CHECK(probes("url-v6") ==
        Probes{probe(
            "http [::1]:3000/",
            HttpProbe{
                .host = "::1", .port = 3000, .path = "/", .status = {{200, 299}, {301, 308}}})});
  CHECK(probes("url-name") ==
        Probes{probe(
            "http localhost:80/",
            HttpProbe{.host = "localhost", .port = 80, .path = "/", .status = {{200, 399}}})});
  CHECK(probes("socket") ==
        Probes{probe("http unix:/run/app.sock:/api/health", HttpProbe{.socket = "/run/app.sock",
                                                                      .method = "HEAD",
                                                                      .path = "/api/health",
                                                                      .status = good})});
  CHECK(probes("port") == Probes{probe("tcp 3000", TcpProbe{"", 3000}),
                                 probe("exec redis-cli", ExecProbe{{"redis-cli", "ping"}})});
  CHECK(probes("own") == Probes{probe("tcp", TcpProbe{}), probe("tcp (2)", TcpProbe{}),
                                probe("notify", NotifyProbe{false})});
  CHECK(probes("location") ==
        Probes{probe("http /", HttpProbe{.path = "/",
                                         .status = {{300, 399}},
                                         .expect_headers = {{"location", "/login"}}})});
  CHECK(probes("none").empty());
  CHECK_FALSE(config.apps.at("site").health.probes);
  CHECK(config.apps.at("site").health.build.kind == BuildSpec::Kind::next);
  CHECK(config.apps.at("none").health == HealthSpec{.probes = Probes{}});

  const auto watchdog = probes("watchdog").at(0);
  CHECK(watchdog.what == decltype(watchdog.what){NotifyProbe{true}});
  CHECK(watchdog.interval == 5s);
  CHECK(watchdog.failures == 1);
}

TEST_CASE("a timeout that isn't written is no longer than the interval", "[config][health]") {
  const auto merged = load("probes.yaml").apps.at("merged").health.probes->at(0);
  CHECK(merged.interval == 1s);
  CHECK(merged.timeout == 1s);
  const auto again = load("probes.yaml").apps.at("again").health.probes->at(0);
  CHECK(again.name == "http /again");
  CHECK(again.interval == 1s);
}

TEST_CASE("warnings leave a configuration as good as it was", "[config][health]") {
  const auto loaded = load_config(kSamples / "warnings/each.yaml", {.check_ownership = false});
  CHECK(loaded.ok());
  REQUIRE_FALSE(loaded.problems.empty());
  for (const auto& problem : loaded.problems) {
    INFO(problem.path);
    CHECK(problem.warning);
    const auto& at = loaded.config.apps.at(problem.path.substr(5)).defined_at;
    CHECK(problem.line == at.line);
    CHECK(problem.column == at.column);
  }
}

TEST_CASE("more warnings than are shown are no error either", "[config][health]") {
  std::string text = "apps:\n";
  for (int i = 0; i < 300; ++i)
    text += "  a" + std::to_string(i) + ": {command: ./server, port: 3000}\n";
  const auto file = std::filesystem::temp_directory_path() /
                    ("dixis-warnings-" + std::to_string(::getpid()) + ".yaml");
  std::ofstream(file) << text;
  const auto loaded = load_config(file, {.check_ownership = false});
  std::filesystem::remove(file);
  CHECK(loaded.ok());
  CHECK(loaded.config.apps.size() == 300);
  CHECK(loaded.problems.size() == 201);
}

TEST_CASE("what looks like Next, and what doesn't", "[command_facts]") {
  CHECK(looks_like_next(app_of({"next", "start"})));
  CHECK(looks_like_next(app_of({"node", "node_modules/.bin/next", "start"})));
  CHECK(looks_like_next(app_of({"node", ".next/standalone/server.js"})));
  CHECK(looks_like_next(app_of({"node", "server.js"}, "/srv/site/.next/standalone")));
  CHECK(looks_like_next(app_of({"bash", "-c", "cd site && exec next start"})));
  CHECK_FALSE(looks_like_next(app_of({"node", "server.js"})));
  CHECK_FALSE(looks_like_next(app_of({"npm", "start"})));
  CHECK_FALSE(looks_like_next(app_of({"./nextcloud", "--next-run"})));
  auto named = app_of({"node", "server.js"});
  named.health.build.kind = BuildSpec::Kind::next;
  CHECK(looks_like_next(named));
}
