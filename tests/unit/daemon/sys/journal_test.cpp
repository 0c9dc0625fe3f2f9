#include "daemon/sys/systemd/journal.hpp"

#include <catch2/catch.hpp>

using namespace std::string_literals;

TEST_CASE("An entry of the journal is as its protocol has it", "[journal]") {
  CHECK(dixis::encode_journal_entry({{"PRIORITY", "4"}, {"MESSAGE", "a = b"}}) ==
        "PRIORITY=4\nMESSAGE=a = b\n");
  CHECK(dixis::encode_journal_entry({{"MESSAGE", "one\ntwo"}}) ==
        "MESSAGE\n\x07\0\0\0\0\0\0\0one\ntwo\n"s);
}
