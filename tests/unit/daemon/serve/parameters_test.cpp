#include "daemon/serve/parameters.hpp"

#include <catch2/catch.hpp>

namespace {

struct Inner {
  std::vector<std::string> words{};
  std::optional<std::map<std::string, std::string>> names{};
};
BOOST_DESCRIBE_STRUCT(Inner, (), (words, names))

struct Outer {
  std::string name{};
  Inner inner{};
  std::optional<bool> flag{};
};
BOOST_DESCRIBE_STRUCT(Outer, (), (name, inner, flag))

std::optional<std::string> misfit(std::string_view text) {
  Outer out;
  return dixis::read_parameters(boost::json::parse({text.data(), text.size()}).as_object(), out);
}

}  // namespace

TEST_CASE("parameters: what fits is read, and absent and null are alike") {
  Outer out;
  const auto in = boost::json::parse(R"({"name":"a","inner":{"words":["b"]},"flag":null})");
  REQUIRE_FALSE(dixis::read_parameters(in.as_object(), out));
  CHECK(out.name == "a");
  CHECK(out.inner.words == std::vector<std::string>{"b"});
  CHECK_FALSE(out.flag);
}

TEST_CASE("parameters: the path of the first that is wrong") {
  CHECK(misfit(R"({})") == "name");
  CHECK(misfit(R"({"name":null,"inner":{"words":[]}})") == "name");
  CHECK(misfit(R"({"name":"a"})") == "inner");
  CHECK(misfit(R"({"name":"a","inner":{}})") == "inner.words");
  CHECK(misfit(R"({"name":"a","inner":3})") == "inner");
  CHECK(misfit(R"({"name":"a","inner":{"words":["b",1]}})") == "inner.words[1]");
  CHECK(misfit(R"({"name":"a","inner":{"words":[],"names":{"k":1}}})") == "inner.names.k");
  CHECK(misfit(R"({"name":3,"inner":{"words":[]}})") == "name");
  CHECK(misfit(R"({"name":"a","inner":{"words":[]},"flag":"yes"})") == "flag");
}

TEST_CASE("parameters: an unknown name is wrong at every level") {
  CHECK(misfit(R"({"name":"a","inner":{"words":[]},"flga":true})") == "flga");
  CHECK(misfit(R"({"name":"a","inner":{"words":[],"wrods":[]}})") == "inner.wrods");
}
