#include <sstream>

#include <catch2/catch.hpp>

#include "ctl/render/table.hpp"
#include "ctl/render/text.hpp"
#include "ctl/render/units.hpp"
#include "ctl/render/views.hpp"
#include "ctl/stream.hpp"

using namespace dixis;
using namespace dixis::ctl;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

InstanceStatus frontend() {
  InstanceStatus status;
  status.app = "frontend";
  status.state = State::online;
  status.pid = 4711;
  status.generation = 3;
  status.restarts = 2;
  status.uptime_ms = 81234;
  status.cpu_percent = 0.4;
  status.memory_bytes = 383500800;
  status.port = 3000;
  status.health = Health{"healthy", 7, 1200, ""};
  status.build = Build{"836NPoCn9F4-uRaKvNCi2", "836NPoCn9F4-uRaKvNCi2", false};
  return status;
}

InstanceStatus backend() {
  InstanceStatus status;
  status.app = "backend";
  status.state = State::backoff;
  status.restarts = 17;
  status.port = 8001;
  status.retry_in_ms = 3000;
  Death death;
  death.how = How::signaled;
  death.at = "2026-01-02T03:04:05.678Z";
  death.message = "killed by SIGKILL, sent by bash (pid 219931, uid 1001, /usr/bin/bash)";
  status.last_death = death;
  return status;
}

Look look_at(std::size_t width) {
  return {width, false, parse_time("2026-01-02T03:07:06.000Z")};
}

}  // namespace

TEST_CASE("durations, sizes and shares are short", "[render]") {
  CHECK(duration_words(0ms) == "0 ms");
  CHECK(duration_words(350ms) == "350 ms");
  CHECK(duration_words(1500ms) == "1.5 s");
  CHECK(duration_words(5s) == "5 s");
  CHECK(duration_words(12'700ms) == "12 s");
  CHECK(duration_words(303s) == "5m 3s");
  CHECK(duration_words(-5s) == "0 ms");
  CHECK(uptime_words(900ms) == "0s");
  CHECK(uptime_words(81'234ms) == "1m 21s");
  CHECK(uptime_words(60s) == "1m");
  CHECK(uptime_words(3h + 12min + 4s) == "3h 12m");
  CHECK(uptime_words(51h) == "2d 3h");
  CHECK(seconds_words(812ms) == "0.8 s");
  CHECK(size_words(0) == "0 B");
  CHECK(size_words(1023) == "1.0 KB");
  CHECK(size_words(183500800) == "175 MB");
  CHECK(size_words(1073741824) == "1.0 GB");
  CHECK(size_words(999LL << 20U) == "999 MB");
  CHECK(percent_words(0.4) == "0.4%");
  CHECK(percent_words(150) == "150%");
}

TEST_CASE("what an app wrote can't steer the terminal", "[render]") {
  CHECK(printable("a\x1b[31mb\nc\td\r") == "a\\x1b[31mb\\nc\\td\\r");
  CHECK(printable("\xC2\x9B"
                  "31m") == "\\x9b31m");
  CHECK(printable("caf\xE9") == "caf\\xe9");
  CHECK(printable("a\u202Eb\u2066c") == "a\\u202eb\\u2066c");
  CHECK(printable("größe 中文 …") == "größe 中文 …");
}

TEST_CASE("text is cut between characters", "[render]") {
  CHECK(display_width("größe") == 5);
  CHECK(display_width("中文") == 4);
  CHECK(display_width("e\u0301") == 1);
  CHECK(truncated("größe", 5) == "größe");
  CHECK(truncated("größe", 4) == "grö…");
  CHECK(truncated("中文字", 4) == "中…");
  CHECK(truncated("a b c", 3) == "a…");
  CHECK(truncated("abc", 1) == "…");
  CHECK(truncated("abc", 0).empty());
  CHECK(padded("ß", 3) == "ß  ");
  CHECK(padded("ß", 3, true) == "  ß");
}

TEST_CASE("two healthy apps at 80 columns", "[render][list]") {
  auto other = frontend();
  other.app = "backend";
  other.port = 8001;
  other.uptime_ms = 183'600'000;
  const auto lines = lines_of(list_view({frontend(), other}, look_at(80)));
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "app       state    pid  restarts  uptime   cpu  memory  port  health");
  CHECK(lines[1] == "frontend  online  4711         2  1m 21s  0.4%  366 MB  3000  healthy 7 ms");
  CHECK(lines[2] == "backend   online  4711         2   2d 3h  0.4%  366 MB  8001  healthy 7 ms");
}

TEST_CASE("a message has a line of its own at 80 columns, and a column at 200", "[render][list]") {
  const auto narrow = lines_of(list_view({frontend(), backend()}, look_at(80)));
  REQUIRE(narrow.size() == 4);
  for (const auto& line : narrow) CHECK(display_width(line) <= 80);
  for (const char* title : {"pid", "uptime", "memory", "port"}) CHECK(contains(narrow[0], title));
  CHECK(narrow[3].starts_with("  "));
  CHECK(contains(narrow[3], "killed by SIGKILL"));
  CHECK_FALSE(contains(narrow[0], "last death"));

  const auto wide = lines_of(list_view({frontend(), backend()}, look_at(200)));
  for (const auto& line : wide) CHECK(display_width(line) <= 200);
  for (const char* title : {"health", "build", "last death", "message", "port", "memory"}) {
    CHECK(contains(wide[0], title));
  }
  CHECK(contains(wide[1], "836NPoCn…"));
  CHECK(contains(wide[2], "3m ago: killed by SIGKILL"));
}

TEST_CASE("the table fits each width", "[render][list]") {
  auto longest = backend();
  longest.app = "a-very-long-name-of-an-app-that-somebody-chose-中文";
  longest.message = std::string(500, 'x');
  for (std::size_t width = 40; width <= 260; ++width) {
    for (const auto& line : lines_of(list_view({frontend(), longest}, look_at(width)))) {
      INFO(width << ": " << line);
      CHECK(display_width(line) <= width);
      CHECK_FALSE(line.ends_with(' '));
    }
  }
}

TEST_CASE("instances are told apart only where there are several", "[render][list]") {
  auto second = frontend();
  second.instance = 1;
  const auto text = list_view({frontend(), second, backend()}, look_at(120));
  CHECK(contains(text, "frontend:0"));
  CHECK(contains(text, "frontend:1"));
  CHECK(contains(text, "\nbackend "));
}

TEST_CASE("a stale build and a second generation are said", "[render][list]") {
  auto status = frontend();
  status.build->stale = true;
  status.also = {{4802, 4, "proving"}};
  const auto text = list_view({status}, look_at(200));
  CHECK(contains(text, " is on disk; pid 4802 is proving"));
}

TEST_CASE("colour only where asked for, and without shifting columns", "[render][list]") {
  Look coloured = look_at(120);
  coloured.colour = true;
  std::string text = list_view({frontend(), backend()}, coloured);
  CHECK(contains(text, "\x1b[32monline\x1b[0m"));
  for (std::size_t at = text.find('\x1b'); at != std::string::npos; at = text.find('\x1b')) {
    text.erase(at, text.find('m', at) + 1 - at);
  }
  CHECK(text == list_view({frontend(), backend()}, look_at(120)));
}

TEST_CASE("describe shows what is known and leaves out what isn't", "[render]") {
  Description description;
  description.status = backend();
  description.command = {"npm", "run", "it's here"};
  description.resolved_command = {"/usr/bin/node", "server.js"};
  description.cwd = "/srv/app";
  description.tree = {{10, 1, "npm", "deploy", 1 << 20},
                      {11, 10, "node\x1b[2J", "deploy", 5 << 20}};
  description.timeline = {{"spawn", 12}, {"listening", 1500}};
  const std::string page = describe_view({description}, look_at(80));
  CHECK(contains(page, "backend\n  state         backoff, next attempt in 3 s\n"));
  CHECK(contains(page, "npm run 'it'\\''s here'"));
  CHECK(contains(page, "executed      /usr/bin/node server.js"));
  CHECK(contains(page, "  10  1.0 MB  deploy  npm"));
  CHECK(contains(page, "    11  5.0 MB  deploy  node\\x1b[2J"));
  CHECK(contains(page, "last start    spawn 12 ms, listening 1.5 s"));
  CHECK(contains(page, "/usr/bin/bash), 3m ago"));
  CHECK_FALSE(contains(page, "health"));
  CHECK_FALSE(contains(page, "null"));
}

TEST_CASE("a tree that turns in a circle is shown all the same", "[render]") {
  Description description;
  description.tree = {{10, 11, "a", std::nullopt, 0}, {11, 10, "b", std::nullopt, 0}};
  CHECK(contains(describe_view({description}, look_at(80)), "processes"));
}

TEST_CASE("lines for outcomes, events, problems and plans", "[render]") {
  const Look look = look_at(80);
  Outcome outcome{"frontend", 0, true, "restarted, pid 4711: listening on 127.0.0.1:3000",
                  4711,       3, 812};
  CHECK(outcome_line(outcome, false, look) ==
        "frontend: restarted, pid 4711: listening on 127.0.0.1:3000 (0.8 s)");
  CHECK(outcome_line(outcome, true, look).starts_with("frontend:0: restarted"));

  CHECK(problem_line({"/etc/dixis/dixis.yaml", 12, 5, "apps.x.health.intervall", "unknown key",
                      "did you mean 'interval'?", false},
                     look) ==
        "/etc/dixis/dixis.yaml:12:5: error: apps.x.health.intervall: unknown key (did you mean "
        "'interval'?)");
  CHECK(problem_line({"f", 0, 0, "", "cannot read", "", true}, look) == "f: warning: cannot read");

  CHECK(plan_view({{"a", "keep", {}}, {"b", "restart", {"command", "env"}}, {"c", "add", {}}},
                  look) == "restart b  (command, env)\nadd     c\n1 app stays as it is\n");
  CHECK(plan_view({{"a", "keep", {}}}, look) == "nothing changes\n");

  Event event;
  event.at = "2026-01-02T03:04:05.678Z";
  event.type = "state";
  event.app = "frontend";
  event.state = State::failed;
  CHECK(event_line(event, look).ends_with(".678  frontend  state  failed"));
}

TEST_CASE("times are read as UTC", "[render]") {
  CHECK(parse_time("1970-01-02T00:00:00.250Z").time_since_epoch() == 24h + 250ms);
  CHECK(parse_time("soon").time_since_epoch() == 0s);
}

TEST_CASE("a stream is due for its first reply, then for a sign of life, then for its end",
          "[stream]") {
  const Clock::time_point start(100s);
  StreamDeadline deadline(start, 5s, 30s);
  CHECK(deadline.end() == start + 5s);
  CHECK(deadline.trouble() == Trouble::no_answer);
  CHECK(deadline.waited() == 5s);

  deadline.heard(start + 1s, 45s);
  CHECK(deadline.end() == start + 31s);
  CHECK(deadline.trouble() == Trouble::silent_stream);
  CHECK(deadline.waited() == 30s);

  deadline.heard(start + 30s, std::nullopt);  // a heartbeat
  CHECK(deadline.end() == start + 46s + kVerbMargin);
  CHECK(deadline.trouble() == Trouble::verb_overdue);

  deadline.heard(start + 31s, std::chrono::milliseconds::max());  // an absurd one
  CHECK(deadline.end() == start + 61s);
}

TEST_CASE("the progress line says once what is done", "[stream]") {
  Progress progress{"frontend", 0, "proving", "", 2000};
  CHECK(progress_line("restarting frontend", progress, 2100ms, 80) ==
        "⠙ restarting frontend: proving (2.1 s)");
  CHECK(progress_line("restarting all", progress, 2100ms, 80) ==
        "⠙ restarting all: frontend: proving (2.1 s)");
  CHECK(progress_line("starting frontend", std::nullopt, 400ms, 80) ==
        "⠼ starting frontend (0.4 s)");
  for (std::size_t width = 20; width < 60; ++width) {
    CHECK(display_width(progress_line("restarting all", progress, 2100ms, width)) < width);
  }
}
