#include "daemon/run/app_file.hpp"

#include <fstream>
#include <iterator>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "daemon/model/config.hpp"
#include "tests/unit/daemon/sys/support.hpp"

using namespace dixis;
using namespace dixis::test;
namespace fs = std::filesystem;

namespace {

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t entries(const fs::path& directory) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

NewApp example() {
  NewApp app;
  app.command = {"/bin/sleep", "60"};
  return app;
}

}  // namespace

TEST_CASE("what add writes is what the configuration reads", "[run][app_file]") {
  const TemporaryDirectory directory;
  const auto main = directory.write("dixis.yaml", "include: apps.d/*.yaml\n");
  auto app = example();
  app.command = {"/bin/sh", "-c", "echo \"it's: 1\" # not a comment\n\ttab", "", "- x",
                 "ναί",     "{}"};
  app.cwd = directory.path().string();
  app.port = 3000;
  app.env = std::map<std::string, std::string>{
      {"YES", "yes"}, {"EMPTY", ""}, {"NUMBER", "0123"}, {"QUOTE", "\"\\ '"}, {"LINES", "a\nb"}};
  const auto written = write_app_file(main, "shop", app);
  REQUIRE(written.has_value());
  CHECK(*written == app_file_of(main, "shop"));

  const auto read = load_config(main, {.check_ownership = false});
  for (const auto& problem : read.problems) UNSCOPED_INFO(problem.message);
  REQUIRE(read.ok());
  const auto& spec = read.config.apps.at("shop");
  CHECK(spec.command == app.command);
  CHECK(spec.cwd == directory.path());
  CHECK(spec.env == *app.env);
  REQUIRE(spec.listen);
  CHECK(spec.listen->port == 3000);
}

TEST_CASE("an app's file is nobody else's to read", "[run][app_file]") {
  const TemporaryDirectory directory;
  const auto written = write_app_file(directory / "dixis.yaml", "shop", example());
  REQUIRE(written.has_value());
  struct stat facts {};
  REQUIRE(::stat(written->c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0027) == 0);
}

TEST_CASE("add replaces no file, and leaves no draft", "[run][app_file]") {
  const TemporaryDirectory directory;
  const auto main = directory / "dixis.yaml";
  REQUIRE(write_app_file(main, "shop", example()).has_value());
  const auto before = text_of(app_file_of(main, "shop"));
  auto other = example();
  other.command = {"/bin/false"};
  const auto again = write_app_file(main, "shop", other);
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().message.find("shop.yaml: File exists") != std::string::npos);
  CHECK(again.error().hint.find("load") != std::string::npos);
  CHECK(text_of(app_file_of(main, "shop")) == before);
  CHECK(entries(directory / "apps.d") == 1);
}

TEST_CASE("a name can't lead out of apps.d", "[run][app_file]") {
  const TemporaryDirectory directory;
  for (const std::string name : {"", "../shop", "a/b", ".hidden", ".", ".."}) {
    INFO(name);
    CHECK_FALSE(write_app_file(directory / "dixis.yaml", name, example()).has_value());
  }
  CHECK(entries(directory.path()) == 0);
}

TEST_CASE("where a file can't be written, the reason is told", "[run][app_file]") {
  const TemporaryDirectory directory;
  directory.write("apps.d", "a file, not a directory");
  const auto written = write_app_file(directory / "dixis.yaml", "shop", example());
  REQUIRE_FALSE(written.has_value());
  CHECK(written.error().message.find("Not a directory") != std::string::npos);
}

TEST_CASE("remove undoes add", "[run][app_file]") {
  const TemporaryDirectory directory;
  const auto written = write_app_file(directory / "dixis.yaml", "shop", example());
  REQUIRE(written.has_value());
  REQUIRE(remove_app_file(*written).has_value());
  CHECK_FALSE(fs::exists(*written));
  const auto again = remove_app_file(*written);
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().message.find("No such file") != std::string::npos);
}
