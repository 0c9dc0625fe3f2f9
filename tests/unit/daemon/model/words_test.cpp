#include "daemon/model/words.hpp"

#include <csignal>

#include <catch2/catch.hpp>

using namespace dixis;
using namespace std::chrono_literals;
using Words = std::vector<std::string>;

TEST_CASE("words are split as a shell splits them", "[words]") {
  CHECK(split_words("node  server.js\t-x ").value() == Words{"node", "server.js", "-x"});
  CHECK(split_words(R"(a 'b c' "d e" f\ g)").value() == Words{"a", "b c", "d e", "f g"});
  CHECK(split_words(R"(a "" '')").value() == Words{"a", "", ""});
  CHECK(split_words(R"(a b'c'"d"e)").value() == Words{"a", "bcde"});
  CHECK(split_words(R"(a "\"\\\$\x")").value() == Words{"a", R"("\$\x)"});
  CHECK(split_words("a '|&;<>$`*?[~#'").value() == Words{"a", "|&;<>$`*?[~#"});
  CHECK(split_words("a b~ c#d --x=y").value() == Words{"a", "b~", "c#d", "--x=y"});
  CHECK(split_words("a \\\n  b\n").value() == Words{"a", "b"});
  CHECK(split_words(R"(a\ )").value() == Words{"a "});
}

TEST_CASE("what only a shell understands is an error that says so", "[words]") {
  for (const auto* line :
       {"a | b", "a && b", "a; b", "a > b", "a < b", "(a)", "a $B", "a `b`", "a *.js", "a b?",
        "a [b]", "a ~/b", "a #b", "A=b c", "cd a", "a \"$B\""}) {
    INFO(line);
    const auto words = split_words(line);
    REQUIRE(words.has_error());
    CHECK(words.error().message.find("shell") != std::string::npos);
    CHECK_FALSE(words.error().hint.empty());
  }
  for (const auto* line : {"", "  ", "a 'b", "a \"b", "a\\", "a\nb"}) {
    INFO(line);
    CHECK(split_words(line).has_error());
  }
  CHECK(split_words(std::string("a\0b", 3)).has_error());
}

TEST_CASE("durations carry units", "[words]") {
  CHECK(parse_duration("150ms").value() == 150ms);
  CHECK(parse_duration("10s").value() == 10s);
  CHECK(parse_duration("1.5m").value() == 90s);
  CHECK(parse_duration("2h").value() == 2h);
  CHECK(parse_duration("1d").value() == 24h);
  CHECK(parse_duration("0s").value() == 0ms);
  CHECK(parse_duration("0.3s").value() == 300ms);
  for (const auto* text : {"", "10", "s", "10 s", "-1s", "+1s", "1.s", ".5s", "1.2.3s", "0.5ms",
                           "1e3s", "10sec", "1S", "99999999999999999999d", "nan", "infs"}) {
    INFO(text);
    CHECK(parse_duration(text).has_error());
  }
  CHECK(parse_duration("10").error().hint == "write 10s for seconds or 10ms for milliseconds");
}

TEST_CASE("sizes are powers of 1024", "[words]") {
  CHECK(parse_size("512").value() == 512);
  CHECK(parse_size("64K").value() == 65536);
  CHECK(parse_size("1.5M").value() == 1572864);
  CHECK(parse_size("2G").value() == 2147483648);
  for (const auto* text : {"", "K", "1.5", "1KB", "-1", "1k", "99999999999T"}) {
    INFO(text);
    CHECK(parse_size(text).has_error());
  }
}

TEST_CASE("signals by name and number", "[words]") {
  CHECK(parse_signal("SIGTERM").value() == SIGTERM);
  CHECK(parse_signal("int").value() == SIGINT);
  CHECK(parse_signal("15").value() == SIGTERM);
  CHECK(parse_signal("SIGTRM").error().hint == "did you mean SIGTERM?");
  for (const auto* text : {"", "SIG", "0", "65", "-1", "TERM ", "9x"}) {
    INFO(text);
    CHECK(parse_signal(text).has_error());
  }
  CHECK(signal_name(SIGKILL) == "SIGKILL");
  CHECK(signal_name(40) == "signal 40");
  CHECK(signal_name(0) == "signal 0");
  CHECK(signal_name(-1) == "signal -1");
  for (int signal = 1; signal < 32; ++signal) {
    if (signal_name(signal).find(' ') != std::string::npos) continue;
    CHECK(parse_signal(signal_name(signal)).value() == signal);
  }
}

TEST_CASE(".env files are read as dotenv reads them", "[words]") {
  const auto parse = [](std::string_view text) { return parse_dotenv(text).value(); };
  using Map = std::map<std::string, std::string>;
  CHECK(parse("A=b\n# c\n\nD = e f # g\n") == Map{{"A", "b"}, {"D", "e f"}});
  CHECK(parse("export A=b\r\nC: d\r\n") == Map{{"A", "b"}, {"C", "d"}});
  CHECK(parse("export=1") == Map{{"export", "1"}});
  CHECK(parse("A='b # c' # d\nE=\"f\\ng\"\nH=`i'\"j`") ==
        Map{{"A", "b # c"}, {"E", "f\ng"}, {"H", "i'\"j"}});
  CHECK(parse("A='b\\nc'") == Map{{"A", "b\\nc"}});
  CHECK(parse("A=\"b\nc\"\nD=e") == Map{{"A", "b\nc"}, {"D", "e"}});
  CHECK(parse("A=\nB=c#d\nE=$B") == Map{{"A", ""}, {"B", "c"}, {"E", "$B"}});
  CHECK(parse("A=b\nA=c") == Map{{"A", "c"}});
  CHECK(parse("A={\"x\": 1}") == Map{{"A", "{\"x\": 1}"}});
  CHECK(parse("A='it's'\nB=\"x\" y") == Map{{"A", "it's"}, {"B", "\"x\" y"}});
  CHECK(parse("\xEF\xBB\xBF"
              "A=b") == Map{{"A", "b"}});
}

TEST_CASE("a broken .env names the line and never its text", "[words]") {
  const auto broken = parse_dotenv("A=b\nC=\"x\ny\"\nhunter2 and more\n");
  REQUIRE(broken.has_error());
  CHECK(broken.error().message.find("line 4") == 0);
  CHECK(broken.error().message.find("more") == std::string::npos);
  CHECK(parse_dotenv("A='b\nC=d").error().message.find("never closed") != std::string::npos);
  CHECK(parse_dotenv("=x").has_error());
  CHECK(parse_dotenv(std::string("A=b\0c", 5)).has_error());
}

TEST_CASE("the nearest word is one that was meant", "[words]") {
  const Words known = {"command", "cwd", "env", "env_file", "restart"};
  CHECK(nearest("comand", known) == "command");
  CHECK(nearest("envfile", known) == "env_file");
  CHECK(nearest("env-file", known) == "env_file");
  CHECK(nearest("Restart", known) == "restart");
  CHECK(nearest("cdw", known) == "cwd");
  CHECK_FALSE(nearest("colour", known));
  CHECK_FALSE(nearest("", known));
  CHECK_FALSE(nearest(std::string(100'000, 'x'), known));
}

TEST_CASE("globs match whole names", "[words]") {
  CHECK(glob_match("front*", "frontend"));
  CHECK(glob_match("w?rker.[0-9]", "worker.3"));
  CHECK_FALSE(glob_match("front", "frontend"));
}
