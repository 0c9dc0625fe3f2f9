#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe.hpp>

#include "common/logs/reader.hpp"

/// What of logs travels between daemon and client. Field names are JSON names.
namespace dixis {

/// One log of an app, over all its files. A reply's `source` counts them from 0.
struct ShownLog {
  std::string app{};
  std::string stream{};  ///< "out" or "err"
  std::string file{};    ///< the file that is written now
};
BOOST_DESCRIBE_STRUCT(ShownLog, (), (app, stream, file))

/// Lines of one log that follow each other and have the same time and writer. Exactly one of `text`
/// and `base64` is given: the latter where it is no UTF-8. Where it doesn't end with a line end,
/// the line goes on with the next ones of this log, or has none.
struct LogLines {
  std::uint64_t source{};
  std::optional<std::int64_t> at_ms{};  ///< Unix time; null: unknown
  std::optional<std::int64_t> instance{};
  std::optional<std::int64_t> generation{};
  bool from_dixis{};  ///< it isn't the app's but dixisd's own
  std::optional<std::string> text{};
  std::optional<std::string> base64{};
};
BOOST_DESCRIBE_STRUCT(LogLines, (), (source, at_ms, instance, generation, from_dixis, text, base64))

/// Where a log has been read to; opaque to clients.
struct LogPosition {
  std::string file{};
  std::string position{};
};
BOOST_DESCRIBE_STRUCT(LogPosition, (), (file, position))

/// Something that a reader of a log should know, such as what is missing.
struct LogNote {
  std::uint64_t source{};
  std::string message{};
};
BOOST_DESCRIBE_STRUCT(LogNote, (), (source, message))

/// A reply of Logs; absent fields are left out.
struct LogsReply {
  std::optional<std::vector<ShownLog>> sources{};  ///< all of them, whenever there are more
  std::optional<std::vector<LogLines>> lines{};
  std::optional<std::vector<LogPosition>> positions{};  ///< of the logs that these lines are from
  std::optional<std::vector<LogNote>> notes{};
  std::optional<bool> following{};  ///< all that was there has been sent
  std::optional<bool> heartbeat{};
};
BOOST_DESCRIBE_STRUCT(LogsReply, (), (sources, lines, positions, notes, following, heartbeat))

/// What a step has read, as it travels.
LogsReply view_of(const logs::Chunk& chunk, const std::vector<ShownLog>& sources);

/// The bytes of lines that came; nothing if they are damaged.
std::optional<std::string> bytes_of(const LogLines& lines);

/// RFC 4648, with padding.
std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

/// A time as the protocol has them: RFC 3339, UTC, milliseconds.
std::string utc_time(std::int64_t unix_ms);

}  // namespace dixis
