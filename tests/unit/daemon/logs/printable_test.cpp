#include "daemon/logs/printable.hpp"

#include <random>
#include <string>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using dixis::last_lines_of;
using dixis::printable;

TEST_CASE("printable keeps text and takes the terminal's teeth out", "[logs]") {
  CHECK(printable("plain\ttext\n") == "plain\ttext\n");
  CHECK(printable("Ελλάδα €\n") == "Ελλάδα €\n");
  CHECK(printable("\x1b[31mred\x1b[0m") == "red");
  CHECK(printable("a\r\nb") == "a\nb");
  CHECK(printable("bell\a") == "bell\uFFFD");
  CHECK(printable("\x1b]0;title\a") == "\uFFFD]0;title\uFFFD");
  CHECK(printable("cut \xE2\x82") == "cut \uFFFD\uFFFD");
  CHECK(printable("\xC2\x9B") == "\uFFFD\uFFFD");  // C1: an escape in eight bits
  CHECK(printable("\xC0\xAF") == "\uFFFD\uFFFD");  // overlong
  CHECK(printable("\xED\xA0\x80").size() == 9);    // surrogate
  CHECK(printable(std::string("\0", 1)) == "\uFFFD");
}

TEST_CASE("printable makes JSON of whatever comes", "[logs]") {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    boost::system::error_code error;
    boost::json::parse(boost::json::serialize(boost::json::string(printable(bytes))), error);
    REQUIRE_FALSE(error);
  }
}

TEST_CASE("last_lines_of counts lines from the end", "[logs]") {
  CHECK(last_lines_of("a\nb\nc\n", 2) == "b\nc");
  CHECK(last_lines_of("a\nb\nc", 1) == "c");
  CHECK(last_lines_of("a\nb", 5) == "a\nb");
  CHECK(last_lines_of("\n\n", 3).empty());
  CHECK(last_lines_of("", 3).empty());
  CHECK(last_lines_of("a", 0).empty());
  CHECK(last_lines_of("\na", 2) == "\na");
}
