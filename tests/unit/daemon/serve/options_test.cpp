#include "daemon/serve/options.hpp"

#include <getopt.h>
#include <vector>

#include <catch2/catch.hpp>

using namespace dixis;

namespace {

Result<Options> parse(std::vector<std::string> words) {
  words.insert(words.begin(), "dixisd");
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  optind = 0;  // getopt keeps its place between calls
  return parse_options(static_cast<int>(words.size()), argv.data());
}

}  // namespace

TEST_CASE("options: paths become absolute, defaults stay") {
  const auto options = parse({"--config", "x/../dixis.yaml", "--log-dir=/var/tmp/log/"});
  REQUIRE(options.has_value());
  CHECK(options->paths.config == std::filesystem::current_path() / "dixis.yaml");
  CHECK(options->paths.log_dir == "/var/tmp/log/");
  CHECK(options->paths.state_dir == default_paths(path_facts()).state_dir);
  CHECK_FALSE(options->check);
  CHECK_FALSE(options->ready_fd);
}

TEST_CASE("options: flags and descriptors") {
  CHECK(parse({"--check"})->check);
  CHECK(parse({"--check", "--json"})->json);
  CHECK_FALSE(parse({"--json"}).has_value());
  CHECK(parse({"--version"})->version);
  CHECK(parse({"--help"})->help);
  CHECK(parse({"--ready-fd", "2"})->ready_fd == 2);
}

TEST_CASE("options: what is wrong is named") {
  CHECK(parse({"--frobnicate"}).error().message == "unknown option --frobnicate");
  CHECK(parse({"--config"}).error().message == "--config needs a value");
  CHECK(parse({"extra"}).error().message == "unexpected argument 'extra'");
  CHECK(parse({"--runtime-dir="}).has_error());
  CHECK(parse({"--ready-fd", "two"}).has_error());
  CHECK(parse({"--ready-fd", "987"}).has_error());
}
