#include "ctl/failure.hpp"

#include <stdexcept>

namespace dixis::ctl {

ExitCode exit_code(Trouble trouble) {
  switch (trouble) {
    case Trouble::usage:
      return ExitCode::usage;
    case Trouble::no_socket:
    case Trouble::stale_socket:
    case Trouble::not_a_socket:
    case Trouble::closed:
    case Trouble::shutting_down:
      return ExitCode::no_daemon;
    case Trouble::socket_not_permitted:
    case Trouble::not_permitted:
      return ExitCode::not_permitted;
    case Trouble::backlog_full:
    case Trouble::no_answer:
    case Trouble::silent_stream:
    case Trouble::verb_overdue:
      return ExitCode::no_answer;
    case Trouble::no_such_app:
      return ExitCode::no_such_app;
    case Trouble::config_invalid:
      return ExitCode::config_invalid;
    case Trouble::interrupted:
      return ExitCode::interrupted;
    case Trouble::malformed:
    case Trouble::output:
    case Trouble::no_such_operation:
    case Trouble::not_implemented:
    case Trouble::refused:
      return ExitCode::failed;
  }
  return ExitCode::failed;
}

void throw_exception_from_error(const Failure& failure,
                                const boost::source_location& /*location*/) {
  throw std::runtime_error(failure.message);
}

}  // namespace dixis::ctl
