#include "common/logs/reader.hpp"

#include <thread>

#include <catch2/catch.hpp>

#include "tests/unit/common/logs/written_log.hpp"
#include "tests/unit/temporary_directory.hpp"

using namespace dixis;
using namespace dixis::logs;
using dixis::test::TemporaryDirectory;
using dixis::test::WrittenLog;

namespace {

/// All that a query gives, with the notes.
struct Answer {
  std::string text{};
  std::vector<Lines> lines{};
  std::vector<std::string> notes{};
};

void add(Answer& answer, const Chunk& chunk) {
  for (const auto& lines : chunk.lines) {
    answer.text += lines.bytes;
    answer.lines.push_back(lines);
  }
  for (const auto& note : chunk.notes) answer.notes.push_back(note.text);
}

Answer read(Reader& reader) {
  Answer answer;
  for (bool more = true; more;) {
    Chunk chunk;
    more = reader.step(chunk);
    add(answer, chunk);
  }
  return answer;
}

Answer ask(Query query) {
  FrameCache frames;
  Reader reader(std::move(query), frames);
  return read(reader);
}

Answer follow(Reader& reader, const std::set<std::size_t>& logs) {
  Answer answer;
  for (bool more = true; more;) {
    Chunk chunk;
    more = reader.follow(logs, chunk);
    add(answer, chunk);
  }
  return answer;
}

std::string numbered(int from, int to, const std::string& prefix = "line ") {
  std::string text;
  for (int i = from; i < to; ++i) text += prefix + std::to_string(i) + "\n";
  return text;
}

Query query_of(const std::filesystem::path& log, std::optional<std::uint64_t> lines = {}) {
  Query query;
  query.logs.push_back({log});
  query.lines = lines;
  return query;
}

/// Three files of a log: a compressed one in small frames, a rotated one, the one written now.
WrittenLog three_files(const TemporaryDirectory& directory) {
  WrittenLog log(directory / "web-out.log");
  log.write(numbered(0, 100), 1000);
  log.write(numbered(100, 200), 2000);
  log.compress(log.rotate(), 333);
  log.write(numbered(200, 300), 3000);
  log.rotate();
  log.write(numbered(300, 400), 4000);
  return log;
}

}  // namespace

TEST_CASE("a log is read over its rotated and compressed files", "[log_reading]") {
  const TemporaryDirectory directory;
  const auto log = three_files(directory);
  CHECK(ask(query_of(log.path())).text == numbered(0, 400));
  const auto count = GENERATE(0, 1, 50, 100, 101, 199, 200, 250, 399, 400, 5000);
  CHECK(ask(query_of(log.path(), count)).text == numbered(std::max(0, 400 - count), 400));
}

TEST_CASE("a file that is there plain and compressed is read once", "[log_reading]") {
  const TemporaryDirectory directory;
  WrittenLog log(directory / "web-out.log");
  log.write(numbered(0, 10), 1000);
  const auto number = log.rotate();
  const auto rotated = rotated_log(log.path(), number);
  std::filesystem::copy_file(rotated, directory / "kept");
  log.compress(number);
  std::filesystem::copy_file(directory / "kept", rotated);
  log.write(numbered(10, 20), 2000);
  CHECK(ask(query_of(log.path())).text == numbered(0, 20));
  CHECK(ask(query_of(log.path(), 15)).text == numbered(5, 20));
}

TEST_CASE("a log is read from a time on, and until one", "[log_reading]") {
  const TemporaryDirectory directory;
  const auto log = three_files(directory);
  const auto lines_since = [&](std::uint64_t since, std::optional<std::uint64_t> until = {}) {
    auto query = query_of(log.path());
    query.since_ms = since;
    query.until_ms = until;
    return ask(query).text;
  };
  CHECK(lines_since(0) == numbered(0, 400));
  CHECK(lines_since(1000) == numbered(0, 400));
  CHECK(lines_since(1001) == numbered(100, 400));
  CHECK(lines_since(2500) == numbered(200, 400));
  CHECK(lines_since(4000) == numbered(300, 400));
  CHECK(lines_since(4001).empty());
  CHECK(lines_since(1500, 3000) == numbered(100, 300));
  CHECK(lines_since(0, 999).empty());

  auto both = query_of(log.path(), 50);
  both.since_ms = 1500;
  both.until_ms = 2500;
  CHECK(ask(both).text == numbered(150, 200));
}

TEST_CASE("a line belongs to the time of its first byte", "[log_reading]") {
  const TemporaryDirectory directory;
  WrittenLog log(directory / "web-out.log");
  log.write("begun ", 1000);
  log.write("and ended\nnext\n", 2000);
  auto query = query_of(log.path());
  query.since_ms = 1500;
  CHECK(ask(query).text == "next\n");
  const auto all = ask(query_of(log.path()));
  REQUIRE(all.lines.size() == 2);
  CHECK(all.lines[0].bytes == "begun and ended\n");
  CHECK(all.lines[0].record->time_ms == 1000);
  CHECK(all.lines[1].record->time_ms == 2000);
}

TEST_CASE("several logs are merged by time", "[log_reading]") {
  const TemporaryDirectory directory;
  WrittenLog web(directory / "web-out.log");
  WrittenLog api(directory / "api-out.log");
  web.write("web 1\nweb 2\n", 1000);
  api.write("api 1\n", 1500);
  web.write("web 3\n", 2000);
  api.write("api 2\n", 2500);
  Query query;
  query.logs = {{web.path()}, {api.path()}};
  CHECK(ask(query).text == "web 1\nweb 2\napi 1\nweb 3\napi 2\n");
  query.lines = 3;
  CHECK(ask(query).text == "api 1\nweb 3\napi 2\n");
  query.lines = 1;
  CHECK(ask(query).text == "api 2\n");
}

TEST_CASE("many logs are merged as few are", "[log_reading]") {
  const TemporaryDirectory directory;
  Query query;
  std::string expected;
  constexpr int kLogs = 150;
  std::vector<WrittenLog> logs;
  for (int i = 0; i < kLogs; ++i) {
    logs.emplace_back(directory / ("app" + std::to_string(i) + "-out.log"));
    query.logs.push_back({logs.back().path()});
  }
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < kLogs; ++i) {
      const std::string line = std::to_string(round) + " of " + std::to_string(i) + "\n";
      logs[static_cast<std::size_t>(i)].write(line,
                                              static_cast<std::uint64_t>(round * 1000 + i + 1));
      expected += line;
    }
  }
  CHECK(ask(query).text == expected);
  query.lines = 2 * kLogs;
  CHECK(ask(query).text == expected.substr(expected.find("3 of 0\n")));
}

TEST_CASE("a missing index costs times, never lines", "[log_reading]") {
  const TemporaryDirectory directory;
  const auto log = three_files(directory);
  const auto index = log_index(log.path());
  const auto all = [&] { return ask(query_of(log.path(), 1000)); };
  SECTION("missing") {
    std::filesystem::remove(index);
  }
  SECTION("something else") {
    std::filesystem::remove(index);
    WrittenLog::append(index, std::string(1000, '\xff'));
  }
  SECTION("empty") {
    std::filesystem::resize_file(index, 0);
  }
  SECTION("without a record") {
    std::filesystem::resize_file(index, 8);
  }
  SECTION("a torn first record") {
    std::filesystem::resize_file(index, 8 + 23);
  }
  const auto answer = all();
  CHECK(answer.text == numbered(0, 400));
  CHECK(answer.lines.front().record->time_ms == 1000);
  CHECK_FALSE(answer.lines.back().record.has_value());
}

TEST_CASE("a damaged index costs times, never lines", "[log_reading]") {
  const TemporaryDirectory directory;
  WrittenLog log(directory / "web-out.log");
  for (int i = 0; i < 1000; ++i) log.write(numbered(i, i + 1), static_cast<std::uint64_t>(i + 1));
  const auto index = log_index(log.path());
  std::fstream file(index, std::ios::in | std::ios::out | std::ios::binary);
  std::uint32_t random = GENERATE(1U, 2U, 3U, 4U, 5U, 6U);
  for (int i = 0; i < 3000; ++i) {
    random = random * 1664525U + 1013904223U;
    file.seekp(8 + static_cast<std::streamoff>(random % (1000 * 24)));
    file.put(static_cast<char>(random >> 24U));
  }
  file.close();
  CHECK(ask(query_of(log.path())).text == numbered(0, 1000));
  CHECK(ask(query_of(log.path(), 5000)).text == numbered(0, 1000));
}

TEST_CASE("records that a killed daemon left void don't count", "[log_reading]") {
  const TemporaryDirectory directory;
  WrittenLog log(directory / "web-out.log");
  log.write("one\n", 1000, 1);
  log.record({4, 1100, 1, 0, LogOrigin::dixis});  // of a line that was taken back
  log.record({64, 1100, 1, 0, LogOrigin::app});
  log.write("two\n", 2000, 2);
  log.record({8, 3000, 3, 0, LogOrigin::app});  // its bytes were never written
  const auto answer = ask(query_of(log.path()));
  REQUIRE(answer.lines.size() == 2);
  CHECK(answer.lines[1].bytes == "two\n");
  CHECK(answer.lines[1].record->generation == 2);
  CHECK(answer.lines[1].record->origin == LogOrigin::app);
}

TEST_CASE("lines are told apart by instance and life", "[log_reading]") {
  const TemporaryDirectory directory;
  WrittenLog log(directory / "web-out.log");
  std::string of_first;
  std::string of_second_life;
  for (int i = 0; i < 2000; ++i) {
    const auto instance = static_cast<std::uint16_t>(i % 2);
    const auto life = static_cast<std::uint32_t>(i / 1000 + 1);
    const std::string line = numbered(i, i + 1);
    log.write(line, static_cast<std::uint64_t>(i + 1), life, instance);
    if (instance == 0) of_first += line;
    if (instance == 1 && life == 1) of_second_life += line;
    if (i % 700 == 0) log.compress(log.rotate());
  }
  auto query = query_of(log.path());
  query.logs[0].instances = std::set<std::uint32_t>{0};
  CHECK(ask(query).text == of_first);
  query.logs[0].instances.reset();
  query.logs[0].lives = std::map<std::uint32_t, std::uint64_t>{{1, 1}};
  CHECK(ask(query).text == of_second_life);
  query.lines = 1;
  CHECK(ask(query).text == "line 999\n");
  query.lines = 10;
  const auto ten = ask(query);
  CHECK(ten.text == of_second_life.substr(of_second_life.find("line 981\n")));
  CHECK(ten.lines.front().record->generation == 1);
}

TEST_CASE("a life's unfinished last line isn't the next one's", "[log_reading]") {
  const TemporaryDirectory directory;
  WrittenLog log(directory / "web-out.log");
  log.write("fatal: out of", 1000, 1);
  log.write("hello\n", 2000, 2);
  for (const auto lines : {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(5)}) {
    const auto answer = ask(query_of(log.path(), lines));
    REQUIRE(answer.lines.size() == 2);
    CHECK(answer.lines[0].bytes == "fatal: out of");
    CHECK(answer.lines[0].record->generation == 1);
    CHECK(answer.lines[1].bytes == "hello\n");
  }
  CHECK(ask(query_of(log.path(), 1)).text == "hello\n");
}

TEST_CASE("lines are found by an expression, the last of them first", "[log_reading]") {
  const TemporaryDirectory directory;
  const auto log = three_files(directory);
  auto query = query_of(log.path());
  query.pattern = *Pattern::compile("7$");
  const auto all = ask(query).text;
  CHECK(std::count(all.begin(), all.end(), '\n') == 40);
  query.lines = 3;
  CHECK(ask(query).text == "line 377\nline 387\nline 397\n");
  query.lines = 39;
  CHECK(ask(query).text == all.substr(all.find("line 17\n")));
}

TEST_CASE("an expression can't be made to take long", "[log_reading]") {
  const auto evil = Pattern::compile("(a*)*(a|aa)+$");
  REQUIRE(evil.has_value());
  CHECK_FALSE((*evil)->matches(std::string(60'000, 'a') + "b"));
  CHECK_FALSE(Pattern::compile("(unclosed").has_value());
  CHECK_FALSE(Pattern::compile(std::string(1001, 'a')).has_value());
  CHECK_FALSE(Pattern::compile("((a{1000}){1000}){1000}").has_value());
  CHECK((*Pattern::compile("end$"))->matches("the end\r\n"));
  CHECK((*Pattern::compile("\xC3\xA9t\xC3\xA9"))->matches("l'\xC3\xA9t\xC3\xA9 \xFF\xFE"));
}

TEST_CASE("what is no text comes out as it is", "[log_reading]") {
  const TemporaryDirectory directory;
  WrittenLog log(directory / "web-out.log");
  std::string bytes("a\0b\r\n\xFF\xFE\n\n", 9);
  bytes += std::string(300'000, 'x') + "\n";
  std::uint32_t random = 7;
  for (int i = 0; i < 200'000; ++i) {
    random = random * 1664525U + 1013904223U;
    bytes += static_cast<char>(random >> 24U);
  }
  bytes += "no end";
  log.write(bytes, 1000);
  SECTION("plain") {}
  SECTION("compressed, lines over the ends of frames") {
    log.compress(log.rotate(), 50'000);
  }
  CHECK(ask(query_of(log.path())).text == bytes);
  CHECK(ask(query_of(log.path(), 1)).text.ends_with("no end"));
  CHECK(ask(query_of(log.path(), 1'000'000)).text == bytes);
}

TEST_CASE("a damaged frame costs what it held, and that is said", "[log_reading]") {
  const TemporaryDirectory directory;
  WrittenLog log(directory / "web-out.log");
  log.write(numbered(0, 1000), 1000);
  log.compress(log.rotate(), 1000);
  const auto packed = compressed_log(rotated_log(log.path(), 1));
  OpenFile file = *OpenFile::open(packed);
  const auto frames = find_frames(file);
  REQUIRE(frames.size() == 9);
  std::fstream out(packed, std::ios::in | std::ios::out | std::ios::binary);
  const Frame& hurt = frames[3];
  out.seekp(static_cast<std::streamoff>(hurt.at + hurt.size / 2));
  out << std::string(hurt.size / 3, '\x55');
  out.close();

  std::string expected = numbered(0, 1000);
  expected.erase(hurt.offset, hurt.content);
  const auto answer = ask(query_of(log.path()));
  CHECK(answer.text == expected);
  REQUIRE(answer.notes.size() == 1);
  CHECK(answer.notes[0].find("damaged") != std::string::npos);
  CHECK(ask(query_of(log.path(), 5000)).text == expected);
}

TEST_CASE("a log that isn't there has no lines", "[log_reading]") {
  const TemporaryDirectory directory;
  CHECK(ask(query_of(directory / "none-out.log", 10)).text.empty());
  std::filesystem::create_directory(directory / "web-out.log");
  FrameCache frames;
  Reader reader(query_of(directory / "web-out.log", 10), frames);
  CHECK(read(reader).text.empty());
  CHECK(reader.error(0) == EINVAL);
}

TEST_CASE("following goes on over rotation and compression", "[log_reading]") {
  const TemporaryDirectory directory;
  auto log = three_files(directory);
  FrameCache frames;
  Reader reader(query_of(log.path(), 2), frames);
  CHECK(read(reader).text == numbered(398, 400));
  CHECK(follow(reader, {0}).text.empty());
  log.write(numbered(400, 410), 5000);
  CHECK(follow(reader, {0}).text == numbered(400, 410));
  log.write(numbered(410, 420), 6000);
  log.compress(log.rotate());
  log.write(numbered(420, 430), 7000);
  log.rotate();
  log.write(numbered(430, 440), 8000);
  const auto answer = follow(reader, {0});
  CHECK(answer.text == numbered(410, 440));
  CHECK(answer.notes.empty());

  // Somebody else goes on where this one stands.
  const auto text = position_text(reader.positions().at(0));
  log.write(numbered(440, 450), 9000);
  log.rotate();
  Query resumed;
  resumed.logs.push_back({log.path(), {}, {}, parse_position(text)});
  resumed.lines = 0;
  Reader again(resumed, frames);
  CHECK(read(again).text.empty());
  CHECK(follow(again, {0}).text == numbered(440, 450));
  log.write("last\n", 9500);
  CHECK(follow(again, {0}).text == "last\n");
}

TEST_CASE("following says what it can't show", "[log_reading]") {
  const TemporaryDirectory directory;
  auto log = three_files(directory);
  FrameCache frames;
  Reader reader(query_of(log.path(), 0), frames);
  CHECK(read(reader).text.empty());
  SECTION("the log was emptied") {
    std::filesystem::resize_file(log.path(), 0);
    log.write("new\n");
    const auto answer = follow(reader, {0});
    CHECK(answer.text == "new\n");
    CHECK(answer.notes.size() == 1);
  }
  SECTION("a file was removed before it was read") {
    log.write("unread\n", 5000);
    const auto number = log.rotate();
    std::filesystem::remove(rotated_log(log.path(), number));
    log.write("new\n", 6000);
    const auto answer = follow(reader, {0});
    CHECK(answer.text == "new\n");
    CHECK(answer.notes.size() == 1);
  }
  SECTION("more was written than can be read") {
    std::string much;
    for (int i = 0; i < 300'000; ++i) much += std::to_string(i) + std::string(100, '.') + "\n";
    log.write(much, 5000);
    const auto answer = follow(reader, {0});
    REQUIRE(answer.notes.size() == 1);
    const auto skipped = std::stoull(answer.notes[0]);
    CHECK(skipped + answer.text.size() == much.size());
    CHECK(much.ends_with("\n" + answer.text));
    CHECK(answer.text.size() <= 1 << 20);
  }
}

TEST_CASE("a line without its end is held back for a second", "[log_reading]") {
  const TemporaryDirectory directory;
  WrittenLog log(directory / "web-out.log");
  FrameCache frames;
  Reader reader(query_of(log.path(), 0), frames);
  CHECK(read(reader).text.empty());
  CHECK_FALSE(reader.due());
  log.write("Password: ", 1000);
  CHECK(follow(reader, {0}).text.empty());
  REQUIRE(reader.due());
  CHECK(reader.unfinished() == std::set<std::size_t>{0});
  SECTION("its end comes") {
    log.write("secret\n");
    CHECK(follow(reader, {0}).text == "Password: secret\n");
    CHECK_FALSE(reader.due());
  }
  SECTION("its end doesn't come") {
    std::this_thread::sleep_until(*reader.due());
    CHECK(follow(reader, {0}).text == "Password: ");
    CHECK_FALSE(reader.due());
    log.write("secret\n");
    CHECK(follow(reader, {0}).text == "secret\n");
  }
}

TEST_CASE("a log that comes later is followed from its beginning", "[log_reading]") {
  const TemporaryDirectory directory;
  FrameCache frames;
  Reader reader(query_of(directory / "web-out.log", 10), frames);
  CHECK(read(reader).text.empty());
  WrittenLog log(directory / "web-out.log");
  log.write("first\n", 1000);
  CHECK(follow(reader, {0}).text == "first\n");
  WrittenLog other(directory / "api-out.log");
  other.write("other\n", 2000);
  reader.add({other.path()});
  CHECK(follow(reader, {0, 1}).text == "other\n");
}

TEST_CASE("a position is text and back", "[log_reading]") {
  const Position position{3, 1'000'000'000'000, 0xFFFF'FFFF'FFFF'FFFF};
  const auto again = parse_position(position_text(position));
  REQUIRE(again);
  CHECK(*again == position);
  CHECK(again->identity == position.identity);
  for (const auto* text : {"", "1", "1:2", "1:2:", "1:2:3:4", "a:b:c", "-1:2:3", "1:2:3 ",
                           "99999999999999999999:0:0"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_position(text));
  }
}
