#pragma once

#include <chrono>
#include <cstddef>

#include "common/varlink.hpp"

namespace dixis {

/// What one client may ask of the daemon. Beyond one of these, that connection is closed with an
/// error, and nobody else notices. (The depth of a message is varlink::kMaxDepth.)
struct Limits {
  /// One message of a client.
  std::size_t message_bytes = varlink::kMaxCallBytes;
  /// From the first byte of a message to its NUL.
  std::chrono::milliseconds message_time{10'000};
  /// Calls received and not yet begun. Not an error: the daemon reads on when there is room.
  std::size_t queued_bytes = varlink::kMaxCallBytes;
  /// Replies that the client doesn't read; one reply may be larger. Above it, no further call of
  /// the connection is begun, and after `unread_time` it is closed.
  std::size_t unread_bytes = std::size_t{4} << 20U;
  std::chrono::milliseconds unread_time{10'000};
  /// Replies of a stream that the client doesn't read. Not an error: the stream pauses, and events
  /// that are lost meanwhile are counted.
  std::size_t stream_unread_bytes = std::size_t{256} << 10U;
  /// Connections of one uid; of root and of the daemon's own uid; of all others together. Nobody
  /// can use up what is the owners'.
  std::size_t connections_per_uid = 128;
  std::size_t connections_of_owners = 1024;
  std::size_t connections_of_others = 1024;
  /// How long a connection that is being closed may take to read the error.
  std::chrono::milliseconds linger{1'000};
};

}  // namespace dixis
