#include "common/varlink.hpp"

#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "common/utf8.hpp"

using namespace dixis;
using namespace dixis::varlink;

namespace {

constexpr std::string_view kNul{"\0", 1};

std::string nested(std::size_t depth) {
  // The message itself is one level.
  return R"({"method":"a.B","parameters":{"x":)" + std::string(depth - 2, '[') +
         std::string(depth - 2, ']') + "}}";
}

}  // namespace

TEST_CASE("frames are cut at NUL, however the bytes arrive", "[varlink]") {
  const std::string stream =
      "one" + std::string(kNul) + std::string(kNul) + "two" + std::string(kNul) + "three";
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    FrameReader reader(16);
    std::vector<std::string> messages;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      REQUIRE(reader.feed(std::string_view(stream).substr(at, step)).has_value());
      while (auto message = reader.next()) messages.push_back(*message);
    }
    CHECK(messages == std::vector<std::string>{"one", "", "two"});
    CHECK(reader.partial());
    REQUIRE(reader.feed(kNul).has_value());
    CHECK(reader.next() == "three");
    CHECK_FALSE(reader.next());
    CHECK_FALSE(reader.partial());
  }
}

TEST_CASE("a frame at the limit passes, one beyond it ends the stream", "[varlink]") {
  FrameReader exact(4);
  REQUIRE(exact.feed("1234" + std::string(kNul) + "5678" + std::string(kNul)).has_value());
  CHECK(exact.next() == "1234");
  CHECK(exact.next() == "5678");

  FrameReader whole(4);
  CHECK_FALSE(whole.feed("12345" + std::string(kNul)).has_value());
  FrameReader open(4);
  REQUIRE(open.feed("1234").has_value());
  const auto beyond = open.feed("5");
  REQUIRE_FALSE(beyond.has_value());
  CHECK(beyond.error().message == "message is longer than the limit of 4 bytes");
  CHECK_FALSE(open.feed(kNul).has_value());
  CHECK_FALSE(open.next());
}

TEST_CASE("a call survives its frame", "[varlink]") {
  Call call{"gr.dixis.Supervisor.Start", {{"targets", {"a", "b"}}}, true, false};
  std::string wire = frame(call);
  REQUIRE(wire.back() == '\0');
  wire.pop_back();
  const auto read = parse_call(wire);
  REQUIRE(read.has_value());
  CHECK(read->method == call.method);
  CHECK(read->parameters == call.parameters);
  CHECK(read->more);
  CHECK_FALSE(read->oneway);
}

TEST_CASE("a reply survives its frame", "[varlink]") {
  for (const Reply& reply :
       {Reply{std::nullopt, {{"pid", 7}}, true}, Reply{std::nullopt, {}, false},
        Reply{std::string(error::kNoSuchApp), {{"target", "x\0y\n"}}, false}}) {
    std::string wire = frame(reply);
    CHECK(wire.find('\0') == wire.size() - 1);
    wire.pop_back();
    const auto read = parse_reply(wire);
    REQUIRE(read.has_value());
    CHECK(read->error == reply.error);
    CHECK(read->parameters == reply.parameters);
    CHECK(read->continues == reply.continues);
  }
}

TEST_CASE("bytes that aren't UTF-8 don't spoil a message", "[varlink]") {
  std::string wire = frame(Reply{std::nullopt, {{"message", "caf\xE9 \xC3\xA9"}}, false});
  wire.pop_back();
  const auto read = parse_reply(wire);
  REQUIRE(read.has_value());
  CHECK(read->parameters.at("message") == "caf\uFFFD é");
}

TEST_CASE("what isn't a call is refused and says why", "[varlink]") {
  const auto refused = [](std::string_view message) {
    const auto call = parse_call(message);
    return call ? std::string("accepted") : call.error().message;
  };
  CHECK(refused("") != "accepted");
  CHECK(refused("{") != "accepted");
  CHECK(refused(R"({"method":"a.B"} x)") != "accepted");
  CHECK(refused(R"({"method":"a.B"}{})") != "accepted");
  CHECK(refused("{\"method\":\"\xFF\"}") != "accepted");
  CHECK(refused("[]") == "message is an array, expected an object");
  CHECK(refused("17") == "message is a number, expected an object");
  CHECK(refused("{}") == "message has no field 'method'");
  CHECK(refused(R"({"method":""})") == "message has no field 'method'");
  CHECK(refused(R"({"method":1})") ==
        "field 'method' of the message: expected a string, found a number");
  CHECK(refused(R"({"method":"a.B","parameters":[]})") ==
        "field 'parameters' of the message: expected an object, found an array");
  CHECK(refused(R"({"method":"a.B","more":1})") ==
        "field 'more' of the message: expected true or false, found a number");
  CHECK(refused(R"({"method":"a.B","oneway":null})") ==
        "field 'oneway' of the message: expected true or false, found null");
  CHECK(refused(R"({"method":"a.B","oneway":true,"more":true})") ==
        "message asks for several replies ('more') and for none ('oneway')");
}

TEST_CASE("what isn't a reply is refused", "[varlink]") {
  CHECK_FALSE(parse_reply("null").has_value());
  CHECK_FALSE(parse_reply(R"({"error":5})").has_value());
  CHECK_FALSE(parse_reply(R"({"error":""})").has_value());
  CHECK_FALSE(parse_reply(R"({"parameters":1})").has_value());
  CHECK_FALSE(parse_reply(R"({"continues":"yes"})").has_value());
  CHECK_FALSE(parse_reply(R"({"error":"a.B","continues":true})").has_value());
  CHECK(parse_reply("{}").has_value());
}

TEST_CASE("unknown fields and null parameters are no error", "[varlink]") {
  const auto call = parse_call(R"( {"method":"a.B","parameters":null,"later":[1]} )");
  REQUIRE(call.has_value());
  CHECK(call->parameters.empty());
}

TEST_CASE("depth is limited", "[varlink]") {
  CHECK(parse_call(nested(kMaxDepth)).has_value());
  const auto deep = parse_call(nested(kMaxDepth + 1));
  REQUIRE_FALSE(deep.has_value());
  CHECK(deep.error().message == "message is nested deeper than 32 levels");
  CHECK_FALSE(parse_call(std::string(100000, '[')).has_value());
}

TEST_CASE("mutated calls never break the reader or the parser", "[varlink][fuzz]") {
  const std::vector<std::string> seeds = {
      frame(Call{"gr.dixis.Supervisor.Start",
                 {{"targets", {"frontend", "b:1"}}, {"wait", true}},
                 true,
                 false}),
      frame(Call{"org.varlink.service.GetInfo", {}, false, true}),
      frame(Call{"gr.dixis.Supervisor.Add",
                 {{"name", "é"}, {"app", {{"command", {"a", "\\\"\n"}}, {"port", -1.5e3}}}},
                 false,
                 false}),
      nested(kMaxDepth) + std::string(kNul)};
  std::mt19937 random(20240229);  // fixed: a failure can be repeated
  const auto below = [&](std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
  };
  std::size_t parsed = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string wire = seeds[below(seeds.size())] + seeds[below(seeds.size())];
    for (std::size_t changes = below(4); changes > 0 && !wire.empty(); --changes) {
      const std::size_t at = below(wire.size());
      switch (below(4)) {
        case 0:
          wire[at] = static_cast<char>(below(256));
          break;
        case 1:
          wire.erase(at, 1 + below(8));
          break;
        case 2:
          wire.insert(at, 1 + below(64), "[{\"\\:,1\0\xC3"[below(9)]);
          break;
        default:
          wire.resize(at);
      }
    }
    FrameReader reader(256);
    bool limit = false;
    std::size_t returned = 0;
    for (std::size_t at = 0; at < wire.size() && !limit;) {
      const std::size_t step = 1 + below(wire.size());
      limit = !reader.feed(std::string_view(wire).substr(at, step));
      at += step;
      while (auto message = reader.next()) {
        returned += message->size() + 1;
        REQUIRE(message->size() <= 256);
        if (const auto call = parse_call(*message)) {
          ++parsed;
          REQUIRE_FALSE(call->method.empty());
          // What was accepted can be written and read again, to the same value.
          std::string again = frame(*call);
          again.pop_back();
          const auto reread = parse_call(again);
          REQUIRE(reread.has_value());
          REQUIRE(reread->parameters == call->parameters);
        }
        (void)parse_reply(*message);
      }
    }
    if (!limit) {
      REQUIRE(returned <= wire.size());
      REQUIRE(reader.partial() == (returned < wire.size()));
    }
  }
  CHECK(parsed > 1'000);
}

TEST_CASE("UTF-8 is decoded strictly", "[utf8]") {
  CHECK(first_code_point("é").value == 0xE9);
  CHECK(first_code_point("€").bytes == 3);
  CHECK(first_code_point("😀").value == 0x1F600);
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\xFF", "\xC3("}) {
    CHECK_FALSE(first_code_point(bad).valid);
    CHECK(first_code_point(bad).bytes == 1);
  }
  CHECK(valid_utf8("a\xC3(b") == "a\uFFFD(b");
}
