#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <variant>

/// What a line of trace_pipe says (Documentation/trace/ftrace.rst). Pure.
namespace dixis {

/// signal:signal_generate: a signal was sent.
struct SignalSent {
  pid_t sender = 0;           ///< the thread that sent it; for code 128, that in which it arose
  std::string sender_comm{};  ///< empty if the kernel didn't keep it
  int signal = 0;
  int code = 0;      ///< si_code: 0 kill(2), -6 tgkill(2), 128 the kernel
  pid_t target = 0;  ///< a thread; the leader's where a process was meant
  std::string target_comm{};
};

/// A thread began to end. For the leader of a process: how the process ends.
struct ThreadEnded {
  pid_t thread = 0;
  int status = 0;  ///< as wait(2) encodes it
};

/// sched:sched_process_exec: a process runs a program from now on.
struct ProgramStarted {
  pid_t pid = 0;
  std::string file{};  ///< as it was given to execve(2)
};

/// The ring was full: records were overwritten before anybody read them.
struct RecordsLost {
  std::uint64_t count = 0;
};

struct TraceRecord {
  std::int64_t at_ms = 0;  ///< boot time; 0 for RecordsLost
  std::variant<SignalSent, ThreadEnded, ProgramStarted, RecordsLost> what{};
};

/// The name of our own probe at do_exit, in its line.
inline constexpr std::string_view kThreadEndedEvent = "dixis_ended";

/// nullopt: a line of another kind, or one that a process's name (it may hold a line end) has torn.
std::optional<TraceRecord> parse_trace_line(std::string_view line);

}  // namespace dixis
