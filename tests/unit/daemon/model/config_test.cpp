#include "daemon/model/config.hpp"

#include <algorithm>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace dixis;
using namespace std::chrono_literals;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

const fs::path kSamples = fs::path(DIXIS_SOURCE_DIR) / "tests/fixtures/config";

/// A private directory that goes with its scope.
class Directory {
 public:
  Directory() {
    std::string name = (fs::temp_directory_path() / "dixis-config-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = fs::canonical(name);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { fs::remove_all(path_); }

  fs::path write(const std::string& name, const std::string& text) const {
    const auto file = path_ / name;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
    fs::permissions(file, fs::perms(0644));
    return file;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_{};
};

std::string read(const fs::path& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// All problems, a line each, files by their name alone.
std::string problems_of(const LoadedConfig& loaded, const fs::path& directory) {
  std::string text;
  for (const auto& problem : loaded.problems) text += format_problem(problem) + "\n";
  const auto prefix = directory.string() + "/";
  for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix))
    text.erase(at, prefix.size());
  return text;
}

LoadedConfig load_text(const std::string& text) {
  const Directory directory;
  return load_config(directory.write("dixis.yaml", text));
}

std::vector<fs::path> samples(const std::string& kind) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kSamples / kind))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  REQUIRE_FALSE(files.empty());
  return files;
}

}  // namespace

TEST_CASE("good samples are good", "[config]") {
  for (const auto& file : samples("good")) {
    INFO(file);
    auto loaded = load_config(file, {.check_ownership = false});
    std::erase_if(loaded.problems, [](const Problem& problem) { return problem.warning; });
    CHECK(problems_of(loaded, file.parent_path()).empty());
    CHECK(loaded.ok());
  }
}

TEST_CASE("known pitfalls are warnings, and make nothing invalid", "[config]") {
  for (const auto& file : samples("warnings")) {
    const auto loaded = load_config(file, {.check_ownership = false});
    CHECK(loaded.ok());
    CHECK(problems_of(loaded, file.parent_path()) ==
          read(fs::path(file).replace_extension(".expected")));
  }
}

TEST_CASE("each problem of a bad sample is shown, in the words that stand beside it", "[config]") {
  for (const auto* kind : {"bad", "bad-beyond-schema"}) {
    for (const auto& file : samples(kind)) {
      const auto loaded = load_config(file, {.check_ownership = false});
      CHECK_FALSE(loaded.ok());
      CHECK(problems_of(loaded, file.parent_path()) ==
            read(fs::path(file).replace_extension(".expected")));
    }
  }
}

TEST_CASE("the packaged configuration and its example are good", "[config]") {
  const auto config = fs::path(DIXIS_SOURCE_DIR) / "config";
  const auto packaged = load_config(config / "dixis.yaml", {.check_ownership = false});
  CHECK(problems_of(packaged, config).empty());
  CHECK(packaged.config.apps.empty());
  const auto example = load_config(config / "apps.d/shop.yaml.example", {.check_ownership = false});
  CHECK(problems_of(example, config / "apps.d").empty());
  CHECK(example.config.apps.size() == 2);
}

TEST_CASE("every key ends in its field", "[config]") {
  const auto loaded = load_config(kSamples / "good/every-key.yaml", {.check_ownership = false});
  REQUIRE(loaded.ok());
  CHECK(loaded.config.access == Access{{"dixis", "deploy"}, {"alice"}, {"adm"}, {"bob"}});
  const auto& app = loaded.config.apps.at("frontend");
  CHECK(app.name == "frontend");
  CHECK(app.command ==
        std::vector<std::string>{"node_modules/.bin/next", "start", "-H", "127.0.0.1"});
  const auto cwd = kSamples / "good/frontend";
  CHECK(app.cwd == cwd);
  CHECK(app.user == "deploy");
  CHECK(app.group == "www-data");
  CHECK(app.umask == 027);
  CHECK(app.nice == -5);
  CHECK(app.path == std::vector<std::string>{"/opt/node/bin", cwd / "tools"});
  CHECK(app.env == std::map<std::string, std::string>{{"NODE_ENV", "production"},
                                                      {"PORT", "3001"},
                                                      {"DEBUG", "false"},
                                                      {"RATIO", "0.5"},
                                                      {"EMPTY", ""}});
  CHECK(app.env_files == std::vector<fs::path>{cwd / ".env", cwd / ".env.production"});
  CHECK(app.listen == ListenAddress{"127.0.0.1", 3001});
  ProbeSpec page;
  page.what = HttpProbe{.method = "GET",
                        .path = "/orders",
                        .headers = {{"X-Probe", "1"}},
                        .status = {{307, 307}},
                        .expect_headers = {{"location", "/auth/login"}},
                        .contains = {"login"},
                        .lacks = {"skeleton", "500"},
                        .matches = "log(in|out)"};
  page.name = "http /orders";
  page.interval = 5s;
  page.timeout = 1s;
  page.failures = 2;
  page.successes = 4;
  ProbeSpec port;
  port.what = TcpProbe{"127.0.0.1", 3001};
  port.name = "tcp 127.0.0.1:3001";
  ProbeSpec script;
  script.what = ExecProbe{{"./check.sh", "--quick"}};
  script.name = "exec check.sh";
  ProbeSpec notify;
  notify.what = NotifyProbe{true};
  notify.name = "notify";
  notify.interval = 30s;
  CHECK(app.health.probes == std::vector<ProbeSpec>{page, port, script, notify});
  CHECK(app.health.on_unhealthy == OnUnhealthy::mark);
  CHECK(app.health.build == BuildSpec{BuildSpec::Kind::file, cwd / "VERSION", "/version"});
  CHECK(app.health.on_new_build == OnNewBuild::restart);
  CHECK(app.health.new_build_settle == 5s);
  CHECK_FALSE(app.health.assets);
  CHECK(app.start == StartPolicy{90s, 1500ms});
  CHECK(app.stop == StopPolicy{SIGINT, 20s});
  CHECK(app.restart ==
        RestartPolicy{RestartPolicy::On::failure, {0, 78}, Backoff{200ms, 1.5, 60s, 0.2}, 10, 60s});
  CHECK(app.limits ==
        std::vector<ResourceLimit>{{RLIMIT_NOFILE, 4096}, {RLIMIT_CORE, RLIM_INFINITY}});
  CHECK(app.after == std::vector<std::string>{"backend", "queue"});
  CHECK(app.tags == std::vector<std::string>{"shop", "web"});
  CHECK(app.logs == LogSpec{"web/front-{instance}.log", "web/front-errors.log", 10U << 20U, 5, 24h,
                            200U << 20U, LogSpec::Format::text, LogSpec::WhenFull::block});
  CHECK(loaded.config.log_ceiling == std::uint64_t{10} << 30U);
  CHECK(app.defined_at.line == 7);
  CHECK(app.defined_at.column == 3);
  CHECK(loaded.config.apps.at("queue").instances == 3);
}

TEST_CASE("what is left out has the defaults of the spec", "[config]") {
  const Directory directory;
  const auto loaded =
      load_config(directory.write("dixis.yaml", "apps: {a: {command: node server.js}}\n"));
  REQUIRE(loaded.ok());
  AppSpec expected;
  expected.name = "a";
  expected.command = {"node", "server.js"};
  expected.cwd = directory.path();
  CHECK(changed_keys(expected, loaded.config.apps.at("a")).empty());
  CHECK(loaded.config.access == Access{});
  CHECK(loaded.config.file == directory.path() / "dixis.yaml");
}

TEST_CASE("merge keys give what is not there", "[config]") {
  const auto loaded = load_config(kSamples / "good/anchors.yaml", {.check_ownership = false});
  REQUIRE(loaded.ok());
  const auto& staging = loaded.config.apps.at("staging");
  CHECK(staging.listen == ListenAddress{"", 3001});
  CHECK(staging.stop.timeout == 20s);
  CHECK(staging.env ==
        std::map<std::string, std::string>{{"NODE_ENV", "production"}, {"PORT", "3001"}});
}

TEST_CASE("includes are relative to the including file", "[config]") {
  const Directory directory;
  directory.write("apps.d/b.yaml", "include: more/*.yaml\napps: {b: {command: b, after: a}}\n");
  directory.write("apps.d/more/c.yaml", "apps: {c: {command: c, cwd: x}}\n");
  directory.write("apps.d/more/again.yaml", "include: ../b.yaml\n");
  const auto file = directory.write(
      "dixis.yaml", "include: [apps.d/*.yaml, none/*.yaml]\napps: {a: {command: a}}\n");
  const auto loaded = load_config(file);
  CHECK(problems_of(loaded, directory.path()).empty());
  CHECK(loaded.config.apps.size() == 3);
  CHECK(loaded.config.apps.at("b").cwd == directory.path() / "apps.d");
  CHECK(loaded.config.apps.at("c").cwd == directory.path() / "apps.d/more/x");
}

TEST_CASE("an app in two files names both places", "[config]") {
  const Directory directory;
  directory.write("apps.d/a.yaml", "apps:\n  web: {command: a}\n");
  directory.write("apps.d/b.yaml", "access: {}\napps:\n    web: {command: b}\n");
  const auto file = directory.write("dixis.yaml", "include: apps.d/*.yaml\n");
  const auto problems = problems_of(load_config(file), directory.path());
  CHECK_THAT(problems, Contains("apps.d/b.yaml:3:5: error: apps.web: the app 'web' is defined "
                                "already, in apps.d/a.yaml:2:3"));
  CHECK_THAT(problems, Contains("apps.d/b.yaml:1:1: error: access: 'access' can't stand in"));
}

TEST_CASE("files that can't be read say why", "[config]") {
  const Directory directory;
  const auto problems = [&](const fs::path& file) {
    return problems_of(load_config(file), directory.path());
  };
  CHECK_THAT(problems(directory.path() / "none.yaml"),
             Contains("none.yaml: error: cannot read it: No such file or directory"));
  CHECK_THAT(problems(directory.path()), Contains("it is a directory"));
  CHECK_THAT(problems(directory.write("i.yaml", "include: missing.yaml\n")),
             Contains("missing.yaml: error: cannot read it"));
  REQUIRE(::mkfifo((directory.path() / "fifo").c_str(), 0600) == 0);
  CHECK_THAT(problems(directory.path() / "fifo"), Contains("not a regular file"));
  CHECK_THAT(problems(directory.write("big.yaml", std::string((1U << 20U) + 1, '#'))),
             Contains("larger than 1 MiB"));
}

TEST_CASE("configuration that others may write is refused", "[config]") {
  const Directory directory;
  const auto file = directory.write("dixis.yaml", "include: apps.d/*.yaml\n");
  const auto included = directory.write("apps.d/a.yaml", "apps: {a: {command: a}}\n");
  CHECK(load_config(file).ok());
  const auto with_mode = [&](const fs::path& path, unsigned mode) {
    const auto before = fs::status(path).permissions();
    fs::permissions(path, fs::perms(mode));
    const auto text = problems_of(load_config(file), directory.path());
    CHECK(load_config(file, {.check_ownership = false}).ok());
    fs::permissions(path, before);
    return text;
  };
  CHECK_THAT(with_mode(file, 0666), Contains("everybody may write"));
  CHECK_THAT(with_mode(file, 0664), Contains("the group with gid"));
  CHECK_THAT(with_mode(included, 0666), Contains("apps.d/a.yaml: error: others may change"));
  CHECK_THAT(with_mode(directory.path() / "apps.d", 0775), Contains("this directory holds"));
  CHECK_THAT(with_mode(directory.path(), 01777), Contains("this directory holds"));
  fs::remove(included);
  CHECK_THAT(with_mode(directory.path() / "apps.d", 0777), Contains("this directory holds"));
  if (::geteuid() != 0) return;
  REQUIRE(::chown(file.c_str(), 12345, 0) == 0);
  CHECK_THAT(problems_of(load_config(file), directory.path()), Contains("belongs to uid 12345"));
}

TEST_CASE("secrets are not in messages", "[config]") {
  for (const auto* env : {"hunter2", "[KEY=hunter2]", "{A: [hunter2]}", "{A: {b: hunter2}}"}) {
    const auto loaded = load_text("apps: {a: {command: x, env: " + std::string(env) + "}}\n");
    REQUIRE_FALSE(loaded.ok());
    CHECK_THAT(problems_of(loaded, "/"), !Contains("hunter2"));
  }
}

TEST_CASE("a problem is one line, whatever the file holds", "[config]") {
  Problem problem{"f", 1, 2, "a.b", "x\ny\033[31m", "h", false};
  CHECK(format_problem(problem) == "f:1:2: error: a.b: x y [31m (h)");
  problem = {"f", 0, 0, "", "x", "", true};
  CHECK(format_problem(problem) == "f: warning: x");
}

TEST_CASE("changes that need a new process are told from those that don't", "[config]") {
  AppSpec before;
  before.command = {"a"};
  auto after = before;
  CHECK(changed_keys(before, after).empty());
  after.stop.timeout = 1s;
  after.after = {"b"};
  after.defined_at.line = 7;
  CHECK(changed_keys(before, after) == std::vector<std::string>{"stop", "after"});
  CHECK_FALSE(needs_new_process(changed_keys(before, after)));
  after.env["A"] = "b";
  CHECK(needs_new_process(changed_keys(before, after)));
  after = before;
  after.health.probes.emplace();
  after.health.on_unhealthy = OnUnhealthy::mark;
  after.health.build.kind = BuildSpec::Kind::none;
  after.health.on_new_build = OnNewBuild::restart;
  after.health.new_build_settle = 1s;
  after.health.assets = false;
  CHECK(changed_keys(before, after) == std::vector<std::string>{"health", "on_unhealthy", "build",
                                                                "on_new_build", "new_build_settle",
                                                                "assets"});
  CHECK_FALSE(needs_new_process(changed_keys(before, after)));
  after = before;
  after.no_port = true;
  CHECK(changed_keys(before, after) == std::vector<std::string>{"port"});
}

namespace {

void collect_keys(const boost::json::object& schema, const std::string& prefix,
                  std::set<std::string>& paths) {
  for (const auto* alternatives : {"oneOf", "anyOf", "allOf"})
    if (const auto* list = schema.if_contains(alternatives))
      for (const auto& one : list->as_array()) collect_keys(one.as_object(), prefix, paths);
  if (const auto* items = schema.if_contains("items"))
    collect_keys(items->as_object(), prefix, paths);
  if (const auto* others = schema.if_contains("additionalProperties");
      others && others->is_object())
    collect_keys(others->as_object(), prefix + "*.", paths);
  const auto* properties = schema.if_contains("properties");
  if (properties == nullptr) return;
  for (const auto& [name, property] : properties->as_object()) {
    paths.insert(prefix + std::string(name));
    collect_keys(property.as_object(), prefix + std::string(name) + ".", paths);
  }
}

}  // namespace

TEST_CASE("the schema has the parser's keys, and no others", "[config]") {
  const auto file = fs::path(DIXIS_SOURCE_DIR) / "config/dixis.schema.json";
  std::set<std::string> of_schema;
  collect_keys(boost::json::parse(read(file)).as_object(), "", of_schema);
  const auto list = known_key_paths();
  const std::set<std::string> of_parser(list.begin(), list.end());
  CHECK(list.size() == of_parser.size());
  CHECK(of_schema == of_parser);
}

TEST_CASE("a mutilated configuration is loaded or has problems, never more", "[config]") {
  std::mt19937 random(4711);
  std::vector<std::string> texts;
  for (const auto& file : samples("good")) texts.push_back(read(file));
  const std::string bytes =
      "\n\t :-[]{}'\"&*<>|#!%@?,\\~\0\xFF"
      "a0";
  const Directory directory;
  for (int round = 0; round < 5'000; ++round) {
    auto text = texts[random() % texts.size()];
    const auto& other = texts[random() % texts.size()];
    for (auto mutations = 1 + random() % 4; mutations > 0; --mutations) {
      const auto at = text.empty() ? 0 : random() % text.size();
      const auto length = random() % 12;
      switch (random() % 5) {
        case 0:
          text.insert(at, 1, bytes[random() % bytes.size()]);
          break;
        case 1:
          text.erase(at, length);
          break;
        case 2:
          text.insert(at, text.substr(at, length * 3));
          break;
        case 3:
          text.insert(at, other.substr(other.size() * (random() % 8) / 8, length * 4));
          break;
        default:
          text.resize(at);
          break;
      }
    }
    INFO(text);
    const auto file = directory.write("fuzz.yaml", text);
    LoadedConfig loaded;
    REQUIRE_NOTHROW(loaded = load_config(file, {.check_ownership = false}));
    for (const auto& problem : loaded.problems) REQUIRE_FALSE(problem.message.empty());
    if (loaded.ok())
      for (const auto& [name, app] : loaded.config.apps) REQUIRE_FALSE(app.command.empty());
  }
}
