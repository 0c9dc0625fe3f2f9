#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include <boost/asio.hpp>

#include "daemon/run/supervisor.hpp"
#include "daemon/serve/access_resolver.hpp"
#include "daemon/serve/connection.hpp"
#include "daemon/serve/limits.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

/// The control socket: admits clients and lets each have its session. Lives on the loop's thread.
class Server {
 public:
  /// `listener`: a listening AF_UNIX stream socket.
  Server(boost::asio::io_context& loop, Supervisor& supervisor, UniqueFd listener,
         const Limits& limits = {});

  /// Begins to accept.
  void start();

  /// Sends a last reply to a client of a predecessor, and serves it from then on.
  void answer(UniqueFd client, const varlink::Reply& reply);

  /// Accepts no more, ends all sessions after what they are sending, at most for limits.linger
  /// twice, and returns when the last one is gone.
  Task<void> close();

  std::size_t connection_count() const { return connections_.size(); }

 private:
  class Admission;

  Task<void> accept_loop();
  int accept_burst();
  void admit(UniqueFd client);
  Task<void> serve(std::shared_ptr<Connection> connection, Peer peer);
  bool has_room_for(uid_t uid) const;

  boost::asio::io_context& loop_;
  Supervisor& supervisor_;
  Limits limits_;
  uid_t daemon_uid_;
  boost::asio::posix::stream_descriptor listener_;
  AccessResolver access_;
  std::map<Connection*, std::pair<uid_t, std::weak_ptr<Connection>>> connections_;
  std::map<uid_t, std::size_t> by_uid_;
  Notifier connection_ended_;
  bool closing_ = false;
  bool accepting_ = false;
};

}  // namespace dixis
