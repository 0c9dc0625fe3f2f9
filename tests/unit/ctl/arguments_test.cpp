#include "ctl/arguments.hpp"

#include <catch2/catch.hpp>

#include "common/verbs.hpp"
#include "ctl/help.hpp"
#include "ctl/verbs/verbs.hpp"

using namespace dixis;
using namespace dixis::ctl;
using namespace std::chrono_literals;

namespace {

Arguments parsed(const std::vector<std::string>& words) {
  auto result = parse_arguments(words);
  if (!result) FAIL(result.error().message);
  return *result;
}

Failure refused(const std::vector<std::string>& words) {
  auto result = parse_arguments(words);
  if (result.has_value()) FAIL("accepted");
  CHECK(exit_code(result.error().trouble) == ExitCode::usage);
  return result.error();
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

TEST_CASE("options stand anywhere", "[arguments]") {
  const auto arguments =
      parsed({"--json", "--socket", "/s", "restart", "a", "--timeout=250ms", "b", "--no-wait"});
  CHECK(arguments.verb == find_verb("restart"));
  CHECK(arguments.operands == std::vector<std::string>{"a", "b"});
  CHECK(arguments.socket == "/s");
  CHECK(arguments.timeout == 250ms);
  CHECK(arguments.silence_timeout == 30s);
  CHECK(arguments.json);
  CHECK(arguments.no_wait);
  CHECK_FALSE(arguments.force);
}

TEST_CASE("add takes its command as it is", "[arguments]") {
  const auto arguments =
      parsed({"add", "web", "--env", "A=1", "--env=B=x=y", "--port", "3000", "--user", "deploy",
              "--cwd", "/srv", "--", "node", "--json", "-v"});
  CHECK(arguments.operands == std::vector<std::string>{"web"});
  CHECK(arguments.command == std::vector<std::string>{"node", "--json", "-v"});
  CHECK(arguments.env == std::map<std::string, std::string>{{"A", "1"}, {"B", "x=y"}});
  CHECK(arguments.port == 3000);
  CHECK(arguments.user == "deploy");
  CHECK(arguments.cwd == "/srv");
  CHECK_FALSE(arguments.json);
}

TEST_CASE("what can't be meant is refused, with what to do", "[arguments]") {
  CHECK(refused({"restrat", "a"}).hint == "did you mean `dixisctl restart`?");
  CHECK(refused({"lst"}).hint == "did you mean `dixisctl list`?");
  CHECK(refused({"frobnicate"}).hint == "see `dixisctl --help`");
  CHECK(refused({"list", "--colour"}).message == "there is no option '--colour'");
  CHECK(refused({"stop", "a", "--force"}).message == "stop has no option --force");
  CHECK(refused({"--force", "stop", "a"}).message == "stop has no option --force");
  CHECK(refused({"list", "--json=yes"}).message == "option --json takes no value");
  CHECK(refused({"list", "--timeout"}).message ==
        "option --timeout needs a value: --timeout DURATION");
  CHECK(refused({"list", "--timeout", "5"}).hint == "write it with its unit: 500ms, 10s, 1.5m, 2h");
  refused({"list", "--timeout", "0s"});
  refused({"add", "x", "--port", "0"});
  refused({"add", "x", "--port", "80x"});
  refused({"add", "x", "--env", "=1"});
  refused({"add", "x", "--env", "A"});
}

TEST_CASE("durations of arguments carry units", "[arguments]") {
  CHECK(parse_duration("150ms") == 150ms);
  CHECK(parse_duration("10s") == 10s);
  CHECK(parse_duration("1.5m") == 90s);
  CHECK(parse_duration("2h") == 2h);
  CHECK(parse_duration("1d") == 24h);
  for (const char* bad : {"", "5", "s", "-1s", "1 s", "1e3s", "nans", "infs", "99999d", "1s1"}) {
    INFO(bad);
    CHECK_FALSE(parse_duration(bad));
  }
}

TEST_CASE("help shows each verb and option", "[arguments][help]") {
  const std::string general = general_help();
  for (const Verb& verb : verbs()) {
    CHECK(contains(general, "  " + std::string(verb.name) + " "));
    const std::string help = verb_help(verb);
    CHECK(contains(help, verb.help));
    CHECK(contains(help, "dixisctl [OPTIONS] " + std::string(verb.name)));
    for (const Option& option : options()) {
      const bool shown = option.verbs.empty() || belongs_to(option, verb.name);
      CHECK(contains(help, "\n  " + std::string(option.name)) == shown);
    }
  }
  CHECK(contains(verb_help(*find_verb("ls")), "Also called: ls status"));
}

TEST_CASE("completions are filled in whole", "[completion]") {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = completion_script(shell);
    INFO(shell);
    CHECK_FALSE(script.empty());
    for (const Verb& verb : verbs()) {
      if (verb.implemented) CHECK(contains(script, verb.name));
    }
    // No gap is left: %WORD% appears nowhere.
    for (std::size_t at = script.find('%'); at != std::string::npos;
         at = script.find('%', at + 1)) {
      CHECK_FALSE((script[at + 1] >= 'A' && script[at + 1] <= 'Z'));
    }
  }
  CHECK(completion_script("tcsh").empty());
}

TEST_CASE("options of logs have the short names that people know", "[arguments]") {
  const auto arguments = parsed({"logs", "web", "-f", "-n", "5", "--err", "--grep=a b"});
  CHECK(arguments.logs.follow);
  CHECK(arguments.logs.lines == 5);
  CHECK(arguments.logs.err);
  CHECK(arguments.logs.grep == "a b");
  CHECK(arguments.operands == std::vector<std::string>{"web"});
  CHECK(parsed({"logs", "-n20"}).logs.lines == 20);
  CHECK(parsed({"logs", "--tail", "7"}).logs.lines == 7);
  CHECK(parsed({"logs", "--lines", "all"}).logs.all_lines);
  CHECK_FALSE(parsed({"logs", "--nostream"}).logs.follow);
  CHECK(parsed({"logs", "--since", "@5"}).logs.since_ms == 5000);
  refused({"logs", "-n"});
  refused({"logs", "-n", "-1"});
  refused({"logs", "--instance", "x"});
  refused({"logs", "--until", "never"});
  refused({"list", "-f"});
}
