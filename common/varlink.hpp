#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "common/result.hpp"

/// The Varlink wire (varlink.org): one JSON object a message, ended by one NUL byte.
namespace dixis::varlink {

/// Limits that both sides hold to. Beyond one, that connection is closed.
inline constexpr std::size_t kMaxCallBytes = 1U << 20U;    ///< a call, as the daemon takes it
inline constexpr std::size_t kMaxReplyBytes = 64U << 20U;  ///< a reply, as the client takes it
inline constexpr std::size_t kMaxDepth = 32;               ///< nesting of a message
inline constexpr int kHeartbeatSeconds = 10;               ///< on a stream without other replies
inline constexpr int kSilenceSeconds = 30;                 ///< after which a stream is dead

/// Cuts a byte stream into messages. Not thread-safe; values only, no I/O.
class FrameReader {
 public:
  explicit FrameReader(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// Appends bytes that were received. An error (a message beyond the limit) is final.
  Result<void> feed(std::string_view bytes);
  /// The next whole message without its NUL, if there is one.
  std::optional<std::string> next();
  /// Whether bytes wait that next() has not returned: after next() said there is no whole message,
  /// whether one has begun and not ended.
  bool partial() const { return head_ < buffer_.size(); }

 private:
  std::size_t max_bytes_;
  std::string buffer_;
  std::size_t head_ = 0;     ///< where the next message begins
  std::size_t scanned_ = 0;  ///< up to here there is no NUL after head_
  std::size_t open_ = 0;     ///< length of the message that has begun and not ended
  bool failed_ = false;
};

struct Call {
  std::string method;
  boost::json::object parameters;
  bool more = false;
  bool oneway = false;
};

struct Reply {
  std::optional<std::string> error;  ///< the error's full name
  boost::json::object parameters;
  bool continues = false;
};

/// Message <-> value. Parsing checks depth, kind of each field and that it is one object.
Result<Call> parse_call(std::string_view message);
Result<Reply> parse_reply(std::string_view message);
/// The frame, its ending NUL included. Bytes that aren't UTF-8 (an app's output, a path) become
/// U+FFFD: one of them must not make the whole message unreadable.
std::string frame(const Call& call);
std::string frame(const Reply& reply);

namespace error {
inline constexpr std::string_view kInterfaceNotFound = "org.varlink.service.InterfaceNotFound";
inline constexpr std::string_view kMethodNotFound = "org.varlink.service.MethodNotFound";
inline constexpr std::string_view kMethodNotImplemented =
    "org.varlink.service.MethodNotImplemented";
inline constexpr std::string_view kInvalidParameter = "org.varlink.service.InvalidParameter";
inline constexpr std::string_view kPermissionDenied = "org.varlink.service.PermissionDenied";
inline constexpr std::string_view kExpectedMore = "org.varlink.service.ExpectedMore";
inline constexpr std::string_view kNoSuchApp = "gr.dixis.Supervisor.NoSuchApp";
inline constexpr std::string_view kNoSuchOperation = "gr.dixis.Supervisor.NoSuchOperation";
inline constexpr std::string_view kConfigInvalid = "gr.dixis.Supervisor.ConfigInvalid";
inline constexpr std::string_view kFailed = "gr.dixis.Supervisor.Failed";
inline constexpr std::string_view kLimitExceeded = "gr.dixis.Supervisor.LimitExceeded";
inline constexpr std::string_view kShuttingDown = "gr.dixis.Supervisor.ShuttingDown";
}  // namespace error

}  // namespace dixis::varlink
