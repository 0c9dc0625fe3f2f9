#pragma once

#include <string>
#include <utility>

#include <boost/assert/source_location.hpp>
#include <boost/json.hpp>
#include <boost/system/result.hpp>

namespace dixis::ctl {

/// What dixisctl ends with. The numbers are a promise to scripts.
enum class ExitCode : int {
  done = 0,
  failed = 1,
  usage = 2,
  no_such_app = 3,  ///< or, for `status APP`, not online
  not_permitted = 4,
  no_daemon = 5,
  no_answer = 6,
  config_invalid = 7,
  interrupted = 130,
};

/// What can go wrong between the command line and the last reply.
enum class Trouble {
  // before anybody answered
  usage,
  no_socket,     ///< nothing at that path
  stale_socket,  ///< a socket that nobody listens on
  not_a_socket,
  socket_not_permitted,  ///< EACCES
  backlog_full,          ///< the daemon accepts no connection
  no_answer,             ///< a question, or the first reply of a verb
  // in the middle
  silent_stream,  ///< not even a heartbeat
  verb_overdue,   ///< alive, but the verb's own deadline passed
  closed,         ///< the daemon hung up
  malformed,      ///< what came is no reply
  interrupted,    ///< Ctrl-C
  output,         ///< our own standard output took no more
  // what the daemon answered
  not_permitted,
  no_such_app,
  config_invalid,
  shutting_down,
  no_such_operation,  ///< a daemon that came later doesn't know the verb
  not_implemented,
  refused,  ///< any other error
};

/// The exit code of a trouble.
ExitCode exit_code(Trouble trouble);

/// A verb that couldn't be carried to its end, for the person who typed it.
struct Failure {
  Trouble trouble;
  std::string message;            ///< what failed, on what, why
  std::string hint{};             ///< what to do next; may be empty
  boost::json::object details{};  ///< an error reply's parameters
};

/// A value, or what went wrong.
template <class T>
using Answer = boost::system::result<T, Failure>;

/// Called by Answer::value() on a failure; it throws std::runtime_error.
[[noreturn]] void throw_exception_from_error(const Failure& failure,
                                             const boost::source_location& location);

}  // namespace dixis::ctl
