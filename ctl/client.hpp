#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "common/varlink.hpp"
#include "ctl/failure.hpp"
#include "ctl/unique_fd.hpp"

namespace dixis::ctl {

using Clock = std::chrono::steady_clock;

/// One connection to the daemon. Synchronous: each step waits on the socket until its deadline.
class Client {
 public:
  /// Connects to the first candidate that exists. Waits at most `timeout` where the daemon's
  /// backlog is full.
  static Answer<Client> connect(const std::vector<std::filesystem::path>& candidates,
                                std::chrono::milliseconds timeout);

  /// Connects anew after the daemon is gone, as soon as the next one is there. The error is that of
  /// the last attempt.
  Answer<void> reconnect(Clock::time_point deadline);

  /// Sends a call; the whole of it has left when this returns.
  Answer<void> send(const varlink::Call& call, Clock::time_point deadline);

  /// The next reply, errors of the daemon as failures. nullopt when `until` came first.
  Answer<std::optional<varlink::Reply>> receive(Clock::time_point until);

  /// One call, one reply, within the time that connect() was given, or until `deadline`.
  Answer<boost::json::object> ask(std::string_view method, boost::json::object parameters);
  Answer<boost::json::object> ask(std::string_view method, boost::json::object parameters,
                                  Clock::time_point deadline);

  /// From now on Ctrl-C is a failure of receive() instead of the end of this process.
  void catch_interrupts();
  /// From now on receive() fails with Trouble::output when nobody reads our standard output.
  void watch_output() { watch_output_ = true; }

  /// Nobody answered in `waited`: what is known of the daemon's process, and what to do.
  Failure no_answer(Trouble trouble, std::chrono::milliseconds waited) const;

 private:
  Client(UniqueFd socket, std::filesystem::path path, std::chrono::milliseconds timeout);

  Answer<void> pause(std::chrono::milliseconds duration) const;
  Answer<void> wait(short events, Clock::time_point until, bool& ready);
  Failure closed() const;

  UniqueFd socket_;
  UniqueFd interrupts_;
  std::filesystem::path path_;
  std::chrono::milliseconds timeout_;
  pid_t daemon_ = 0;  ///< who listens, 0 if unknown or systemd
  varlink::FrameReader reader_{varlink::kMaxReplyBytes};
  bool watch_output_ = false;
};

/// The full name of a method of gr.dixis.Supervisor.
std::string method_name(std::string_view method);

/// An error reply as a failure with words for people.
Failure failure_of(const varlink::Reply& reply);

}  // namespace dixis::ctl
