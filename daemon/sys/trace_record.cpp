#include "daemon/sys/trace_record.hpp"

#include <charconv>

namespace dixis {
namespace {

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

/// The value behind the last " KEY=" of `text`, which is cut off there: a name further in front may
/// hold anything, so fields are taken from the end.
std::optional<std::string_view> take_last(std::string_view& text, std::string_view key) {
  const std::string field = " " + std::string(key) + "=";
  const auto at = text.rfind(field);
  if (at == std::string_view::npos) return std::nullopt;
  const auto value = text.substr(at + field.size());
  text = text.substr(0, at);
  return value;
}

template <class T>
bool take_number(std::string_view& text, std::string_view key, T& out) {
  const auto value = take_last(text, key);
  const auto parsed = value ? number<T>(trimmed(*value)) : std::nullopt;
  if (parsed) out = *parsed;
  return parsed.has_value();
}

/// "            bash-9659    [000] d..1.  2587.235521": who did it, and when.
struct Head {
  pid_t thread = 0;
  std::string comm{};
  std::int64_t at_ms = 0;
};

std::optional<Head> parse_head(std::string_view text) {
  const auto bracket = text.rfind(" [");
  const auto last_blank = text.rfind(' ');
  if (bracket == std::string_view::npos || last_blank < bracket) return std::nullopt;
  const auto stamp = text.substr(last_blank + 1);
  const auto dot = stamp.find('.');
  if (dot == std::string_view::npos || stamp.size() < dot + 4) return std::nullopt;
  const auto seconds = number<std::int64_t>(stamp.substr(0, dot));
  const auto milliseconds = number<std::int64_t>(stamp.substr(dot + 1, 3));
  const auto task = trimmed(text.substr(0, bracket));
  const auto dash = task.rfind('-');
  if (!seconds || !milliseconds || dash == std::string_view::npos) return std::nullopt;
  const auto thread = number<pid_t>(task.substr(dash + 1));
  if (!thread) return std::nullopt;
  Head head{*thread, std::string(task.substr(0, dash)), *seconds * 1000 + *milliseconds};
  if (head.comm == "<...>") head.comm.clear();
  return head;
}

/// "sig=9 errno=0 code=0 comm=sleep pid=9660 grp=1 res=0"
std::optional<SignalSent> parse_signal_sent(std::string_view fields, const Head& head) {
  SignalSent out;
  out.sender = head.thread;
  out.sender_comm = head.comm;
  const std::string text = " " + std::string(fields);
  std::string_view rest = text;
  int ignored = 0;
  if (!take_number(rest, "res", ignored) || !take_number(rest, "grp", ignored) ||
      !take_number(rest, "pid", out.target)) {
    return std::nullopt;
  }
  // From the front now: what comes before the name holds only numbers.
  const auto comm = rest.find(" comm=");
  if (comm == std::string_view::npos) return std::nullopt;
  out.target_comm = rest.substr(comm + 6);
  rest = rest.substr(0, comm);
  if (!take_number(rest, "code", out.code) || !take_number(rest, "errno", ignored) ||
      !take_number(rest, "sig", out.signal)) {
    return std::nullopt;
  }
  return out;
}

/// "(do_exit+0x0/0xb00) code=768"
std::optional<ThreadEnded> parse_thread_ended(std::string_view fields, const Head& head) {
  ThreadEnded out;
  out.thread = head.thread;
  if (!take_number(fields, "code", out.status)) return std::nullopt;
  return out;
}

/// "filename=/tmp/x pid=9660 old_pid=9660"
std::optional<ProgramStarted> parse_program_started(std::string_view fields) {
  ProgramStarted out;
  pid_t ignored = 0;
  if (!take_number(fields, "old_pid", ignored) || !take_number(fields, "pid", out.pid)) {
    return std::nullopt;
  }
  constexpr std::string_view kFile = "filename=";
  if (!fields.starts_with(kFile)) return std::nullopt;
  out.file = fields.substr(kFile.size());
  return out;
}

/// "CPU:0 [LOST 123 EVENTS]"
std::optional<TraceRecord> parse_lost(std::string_view line) {
  constexpr std::string_view kLost = " [LOST ";
  const auto at = line.find(kLost);
  if (!line.starts_with("CPU:") || at == std::string_view::npos) return std::nullopt;
  const auto rest = line.substr(at + kLost.size());
  const auto count = number<std::uint64_t>(rest.substr(0, rest.find(' ')));
  return TraceRecord{0, RecordsLost{count.value_or(0)}};
}

template <class T>
std::optional<TraceRecord> recorded(const Head& head, std::optional<T> what) {
  if (!what) return std::nullopt;
  return TraceRecord{head.at_ms, std::move(*what)};
}

}  // namespace

std::optional<TraceRecord> parse_trace_line(std::string_view line) {
  if (auto lost = parse_lost(line)) return lost;
  // A process's name has 15 characters at most: none can hold one of these.
  for (const std::string_view event : {std::string_view("signal_generate"), kThreadEndedEvent,
                                       std::string_view("sched_process_exec")}) {
    const std::string mark = ": " + std::string(event) + ": ";
    const auto at = line.find(mark);
    if (at == std::string_view::npos) continue;
    const auto head = parse_head(line.substr(0, at));
    if (!head) return std::nullopt;
    const auto fields = line.substr(at + mark.size());
    if (event == kThreadEndedEvent) return recorded(*head, parse_thread_ended(fields, *head));
    if (event == "signal_generate") return recorded(*head, parse_signal_sent(fields, *head));
    return recorded(*head, parse_program_started(fields));
  }
  return std::nullopt;
}

}  // namespace dixis
