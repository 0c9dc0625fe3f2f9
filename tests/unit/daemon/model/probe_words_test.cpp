#include "daemon/model/probe_words.hpp"

#include <catch2/catch.hpp>

using namespace dixis;
using Catch::Contains;

namespace {

template <class What>
std::string named(What what) {
  ProbeSpec probe;
  probe.what = std::move(what);
  return probe_name(probe);
}

std::string message(const std::optional<Error>& error) {
  return error ? error->message : std::string();
}

bool matches(std::string_view expression, std::string_view body) {
  const auto compiled = compile_expression(expression);
  REQUIRE(compiled.has_value());
  return std::regex_search(std::string(body), *compiled);
}

std::string refusal(std::string_view expression) {
  const auto compiled = compile_expression(expression);
  return compiled ? "compiled" : compiled.error().message;
}

}  // namespace

TEST_CASE("whom an http probe asks", "[probe_words]") {
  const auto target = [](const std::string& text) {
    const auto parsed = parse_http_target(text);
    INFO(text);
    REQUIRE(parsed.has_value());
    return *parsed;
  };
  CHECK(target("/x?a=b") == HttpProbe{.path = "/x?a=b"});
  CHECK(target("http://127.0.0.1:3000/x") ==
        HttpProbe{.host = "127.0.0.1", .port = 3000, .path = "/x"});
  CHECK(target("http://localhost") == HttpProbe{.host = "localhost", .port = 80, .path = "/"});
  CHECK(target("http://127.0.0.1?a") == HttpProbe{.host = "127.0.0.1", .port = 80, .path = "/?a"});
  CHECK(target("http://[::1]/") == HttpProbe{.host = "::1", .port = 80, .path = "/"});
  CHECK(target("http://[::1]:81/") == HttpProbe{.host = "::1", .port = 81, .path = "/"});
  CHECK(target("unix:/run/a.sock:/x:/y") == HttpProbe{.socket = "/run/a.sock", .path = "/x:/y"});
  CHECK(target("unix:/run/a.sock") == HttpProbe{.socket = "/run/a.sock", .path = "/"});

  for (const auto* text : {"",
                           "x",
                           "http://",
                           "http:///x",
                           "http://127.0.0.1:/",
                           "http://127.0.0.1:0/",
                           "http://::1/",
                           "http://127.0.0.1.5/",
                           "http://256.0.0.1/",
                           "http://[fe80::1%eth0]/",
                           "http://shop.example/",
                           "https://127.0.0.1/",
                           "HTTP://127.0.0.1/",
                           "unix:",
                           "unix:/",
                           "unix:x:/y",
                           "unix:/run/a.sock:/x y",
                           "/x\ty",
                           "/x\r\nHost: y",
                           "/\xC3\xA4",
                           "/x#y"}) {
    INFO(text);
    CHECK_FALSE(parse_http_target(text).has_value());
  }
  CHECK_FALSE(parse_http_target("unix:/" + std::string(107, 'a') + ":/").has_value());
  CHECK(parse_http_target("unix:/" + std::string(106, 'a') + ":/").has_value());
  CHECK_THAT(parse_http_target("http://a:hunter2@127.0.0.1/").error().message,
             !Contains("hunter2"));
  CHECK(parse_http_target("api/health").error().hint == "did you mean '/api/health'?");
  CHECK(parse_http_target("localhost:1/x").error().hint == "did you mean 'http://localhost:1/x'?");
}

TEST_CASE("whom a tcp probe asks", "[probe_words]") {
  CHECK(*parse_tcp_target("own") == TcpProbe{});
  CHECK(*parse_tcp_target("true") == TcpProbe{});
  CHECK(*parse_tcp_target("3000") == TcpProbe{"", 3000});
  CHECK(*parse_tcp_target("[::1]:3000") == TcpProbe{"::1", 3000});
  CHECK(*parse_tcp_target("localhost:3000") == TcpProbe{"localhost", 3000});
  for (const auto* text : {"", "0", "65536", "false", "db:5432", "127.0.0.1", "::1:3000"}) {
    INFO(text);
    CHECK_FALSE(parse_tcp_target(text).has_value());
  }
}

TEST_CASE("statuses", "[probe_words]") {
  CHECK(*parse_status("100") == StatusRange{100, 100});
  CHECK(*parse_status("200-599") == StatusRange{200, 599});
  CHECK(*parse_status("5xx") == StatusRange{500, 599});
  CHECK(*parse_status("2XX") == StatusRange{200, 299});
  for (const auto* text : {"", "99", "600", "0xx", "6xx", "xx", "2x", "200-", "-200", "200-600",
                           "300-200", "200 - 300", "+200", "2e2", "99999999999999999999"}) {
    INFO(text);
    CHECK_FALSE(parse_status(text).has_value());
  }
  CHECK(parse_status("300-200").error().hint == "write 200-300");
}

TEST_CASE("headers are one line, and their values stay out of messages", "[probe_words]") {
  CHECK_FALSE(header_problem("X-A_b.1", "any\tthing \xC3\xA4"));
  CHECK_FALSE(header_problem("Host", ""));
  for (const auto* name : {"", "a b", "a:", "a\n", "(a)", "\xC3\xA4"}) {
    INFO(name);
    CHECK(header_problem(name, "x"));
  }
  for (const auto* value :
       {"hunter2\r\nX: y", "hunter2\n", "hunter2\r", "hunter2\x01", "\x7Fhunter2"})
    CHECK_THAT(message(header_problem("A", value)), Contains("line break") && !Contains("hunter2"));
}

TEST_CASE("probes have a name that people know them by", "[probe_words]") {
  CHECK(named(HttpProbe{.path = "/api/health"}) == "http /api/health");
  CHECK(named(HttpProbe{.path = "/x?token=hunter2"}) == "http /x?…");
  CHECK(named(HttpProbe{.host = "127.0.0.1", .port = 3000, .path = "/x"}) ==
        "http 127.0.0.1:3000/x");
  CHECK(named(HttpProbe{.host = "::1", .port = 3000, .path = "/"}) == "http [::1]:3000/");
  CHECK(named(HttpProbe{.socket = "/run/a.sock", .path = "/x"}) == "http unix:/run/a.sock:/x");
  CHECK(named(TcpProbe{"", 3000}) == "tcp 3000");
  CHECK(named(TcpProbe{"127.0.0.1", 3000}) == "tcp 127.0.0.1:3000");
  CHECK(named(TcpProbe{}) == "tcp");
  CHECK(named(ExecProbe{{"/opt/bin/check.sh", "--password=hunter2"}}) == "exec check.sh");
  CHECK(named(NotifyProbe{}) == "notify");
  CHECK(named(ManifestProbe{}) == "build manifest");
}

TEST_CASE("an expression matches anywhere in a body", "[probe_words]") {
  CHECK(matches("sta(te|tus)\":\\s*\"ok", "{\"status\":\n \"ok\"}"));
  CHECK_FALSE(matches("sta(te|tus)\":\\s*\"ok", "{\"status\": \"down\"}"));
  CHECK(matches("up|idle", "it is idle\n"));
  CHECK(matches("^up|down$", "upwards"));
  CHECK(matches("^up|down$", "a\ncountdown"));
  CHECK_FALSE(matches("^up|down$", "a\nup\ndowner"));
  CHECK(matches("\\bok\\b", "all ok."));
  CHECK_FALSE(matches("\\bok\\b", "broken"));
  CHECK(matches("[0-9a-f]{64}", std::string(64, 'a')));
  CHECK_FALSE(matches("[0-9a-f]{64}", std::string(63, 'a')));
  CHECK(matches("", ""));
  CHECK_FALSE(matches("x", ""));
  CHECK(matches("b", std::string_view("a\0b", 3)));
}

TEST_CASE("a long body neither overflows the stack nor takes forever", "[probe_words]") {
  // Where a search would begin anew at each character, this wouldn't end within hours.
  const std::string body(std::size_t{256} << 10U, 'a');
  CHECK_FALSE(matches("a.*b", body));
  CHECK_FALSE(matches("(a|aa)*b$", body));
  CHECK_FALSE(matches("(a*)*b", body));
  CHECK(matches("(a|b)*c$", body + "c"));
}

TEST_CASE("what isn't an expression is said to be none", "[probe_words]") {
  for (const auto* wrong :
       {"(", "a)(b", "[", "\\", "a{2", "a{3,2}", "[z-a]", "(?<a>x)", "(a)\\1"}) {
    INFO(wrong);
    CHECK_THAT(refusal(wrong), Contains("this is not a regular expression: "));
  }
}

TEST_CASE("an expression has a size that can be afforded", "[probe_words]") {
  const std::string too_large = "this expression is too large";
  for (const auto* large : {"a{100000}", "((a{100}){100}){100}", "a{99999999999999999999}"})
    CHECK(refusal(large) == too_large);
  CHECK(refusal(std::string(1001, 'a')) == too_large);
  CHECK(refusal(std::string(499, '(') + "a" + std::string(499, ')')) == "compiled");
  CHECK(refusal("(a?b?c?){100}") == "compiled");
}
