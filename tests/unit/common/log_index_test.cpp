#include "common/log_index.hpp"

#include <catch2/catch.hpp>

using namespace dixis;

namespace {

std::string file_of(const std::vector<LogIndexRecord>& records) {
  std::string file(kLogIndexMagic);
  for (const auto& record : records) {
    const auto bytes = encode_log_index(record);
    file.append(bytes.data(), bytes.size());
  }
  return file;
}

}  // namespace

TEST_CASE("a record of a log's index has 24 bytes, little endian", "[logs]") {
  const LogIndexRecord record{0x0102030405060708, 0x1112131415161718, 0x21222324, 0x3132,
                              LogOrigin::dixis};
  const auto bytes = encode_log_index(record);
  const std::string_view view(bytes.data(), bytes.size());
  CHECK(view == std::string_view("\x08\x07\x06\x05\x04\x03\x02\x01\x18\x17\x16\x15\x14\x13\x12\x11"
                                 "\x24\x23\x22\x21\x32\x31\x01\x00",
                                 24));
  CHECK(decode_log_index(view) == record);
}

TEST_CASE("an index is read as far as it is whole", "[logs]") {
  const std::vector<LogIndexRecord> records = {{0, 1000, 1, 0, LogOrigin::app},
                                               {10, 1100, 1, 1, LogOrigin::app},
                                               {30, 1200, 2, 0, LogOrigin::app}};
  const auto file = file_of(records);
  CHECK(parse_log_index(file, 40) == records);
  CHECK(parse_log_index(file.substr(0, file.size() - 1), 40) ==
        std::vector(records.begin(), records.begin() + 2));
  CHECK(whole_log_index_bytes(file, file.size() - 1) == file.size() - kLogIndexRecordBytes);
  CHECK(parse_log_index(file, 29) == std::vector(records.begin(), records.begin() + 2));
  CHECK(parse_log_index("", 40).empty());
  CHECK(parse_log_index("dixisix", 40).empty());
  CHECK(parse_log_index("another" + file, 40).empty());
  CHECK_FALSE(whole_log_index_bytes("other", 5).has_value());
}

TEST_CASE("of two records at one offset the last counts, and none points back", "[logs]") {
  const LogIndexRecord first{0, 1, 1, 0, LogOrigin::app};
  const LogIndexRecord second{20, 2, 1, 1, LogOrigin::app};
  const LogIndexRecord again{20, 3, 1, 2, LogOrigin::app};
  const LogIndexRecord back{5, 4, 2, 0, LogOrigin::app};
  CHECK(parse_log_index(file_of({first, second, again}), 30) == std::vector{first, again});
  CHECK(parse_log_index(file_of({first, second, back}), 30) == std::vector{first, back});
}

TEST_CASE("the names of a log's files", "[logs]") {
  CHECK(rotated_log("/l/a-out.log", 7) == "/l/a-out.log.7");
  CHECK(compressed_log("/l/a-out.log.7") == "/l/a-out.log.7.zst");
  CHECK(log_index("/l/a-out.log.7") == "/l/a-out.log.7.index");
  CHECK(parse_rotated_name("a.log", "a.log.12") == RotatedName{12, false, false});
  CHECK(parse_rotated_name("a.log", "a.log.12.zst") == RotatedName{12, true, false});
  CHECK(parse_rotated_name("a.log", "a.log.12.index") == RotatedName{12, false, true});
  for (const auto* other : {"a.log", "a.log.", "a.log.index", "a.log.1.gz", "a.log.01", "a.log.x",
                            "a.log.1x", "b.log.1", "a.log.-1", "a.log.1.zst.index",
                            "a.log.99999999999999999999", "a.log.1.zst.tmp"}) {
    INFO(other);
    CHECK_FALSE(parse_rotated_name("a.log", other).has_value());
  }
}
