#include "ctl/render/log_lines.hpp"

#include <catch2/catch.hpp>

using namespace dixis;
using namespace dixis::ctl;

namespace {

LogLines of(std::uint64_t source, std::int64_t generation = 1, std::int64_t instance = 0) {
  return {source, 1'767'360'605'678, instance, generation, false, {}, {}};
}

LogText text_as(LogLook look) {
  LogText text(look);
  text.know({{"web", "out", "/l/web-out.log"}, {"api", "err", "/l/api-err.log"}});
  return text;
}

}  // namespace

TEST_CASE("bytes pass a pipe untouched, in whatever pieces they come", "[log_lines]") {
  auto text = text_as({});
  CHECK(text.add(of(0), std::string_view("a\0\xff\r\nb", 6)) ==
        std::string_view("a\0\xff\r\nb", 6));
  CHECK(text.add(of(0, 2), "c\n") == "c\n");
  CHECK(text.add(of(0), "no end") == "no end");
  CHECK(text.add(of(1), "other\n") == "\nother\n");
  CHECK(text.add(of(1), "last").append(text.finish()) == "last");
}

TEST_CASE("names stand before lines, and once before a line in pieces", "[log_lines]") {
  auto text = text_as({.names = true});
  CHECK(text.add(of(0), "one\ntwo\nthr") == "web | one\nweb | two\nweb | thr");
  CHECK(text.add(of(0), "ee\n") == "ee\n");
  CHECK(text.add(of(1, 1, 2), "err\n") == "api:2 ! err\n");
  CHECK(text.add(of(0), "cut") == "web   | cut");
  CHECK(text.add(of(1), "api\n") == "\napi   ! api\n");
  CHECK(text.add(of(0), "dead") == "web   | dead");
  CHECK(text.add(of(0, 2), "born\n") == "\nweb   | born\n");
  CHECK(text.add(of(0), "end").append(text.finish()) == "web   | end\n");
}

TEST_CASE("what isn't known of a line is null, or a dash", "[log_lines]") {
  LogLines unknown;
  CHECK(text_as({.json = true}).add(unknown, "a\xff\r\n") ==
        R"({"app":"web","stream":"out","instance":null,"generation":null,"at":null,)"
        "\"from_dixis\":false,\"line\":\"a\xEF\xBF\xBD\"}\n");
  CHECK(text_as({.timestamps = true}).add(unknown, "a\n") == "-                       a\n");
}

TEST_CASE("JSON lines are whole, though they come in pieces between others", "[log_lines]") {
  auto text = text_as({.json = true});
  CHECK(text.add(of(0), "on").empty());
  CHECK(text.add(of(1), "other\n").find(R"("line":"other")") != std::string::npos);
  CHECK(text.add(of(0), "e\n").find(R"("line":"one")") != std::string::npos);
  CHECK(text.add(of(0), "dead").empty());
  const auto both = text.add(of(0, 2), "born\n");
  CHECK(both.find(
            R"("generation":1,"at":"2026-01-02T13:30:05.678Z","from_dixis":false,"line":"dead")") !=
        std::string::npos);
  CHECK(both.find(R"("line":"born")") != std::string::npos);
  CHECK(text.add(of(0), "end").empty());
  CHECK(text.finish().find(R"("line":"end")") != std::string::npos);
}

TEST_CASE("a terminal obeys an app's colours and nothing else of it", "[log_lines]") {
  CHECK(terminal_line("\x1b[1;31mred\x1b[0m", true) == "\x1b[1;31mred\x1b[0m\x1b[0m");
  CHECK(terminal_line("\x1b[1;31mred\x1b[0m", false) == "red");
  CHECK(terminal_line("\x1b[2J\x1b]0;x\x07\ta\rb", true) == "\\x1b[2J\\x1b]0;x\\x07\ta\\rb");
  CHECK(terminal_line("caf\xC3\xA9 \xff", false) == "caf\xC3\xA9 \\xff");
  CHECK(terminal_line("", true).empty());
}

TEST_CASE("base64 is base64", "[log_lines]") {
  for (const auto& [plain, coded] : std::initializer_list<std::pair<std::string, std::string>>{
           {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"\xff\xfe\xfd", "//79"}}) {
    CHECK(to_base64(plain) == coded);
    CHECK(from_base64(coded) == plain);
  }
  for (const auto* wrong : {"Z", "Zg=", "Zg==Zg==", "Z g="}) {
    CAPTURE(wrong);
    CHECK_FALSE(from_base64(wrong).has_value());
  }
}
