#include "daemon/sys/kernel_log.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <unistd.h>

namespace dixis {
namespace {

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The third field of "6,1234,5678901,-": microseconds since boot.
std::optional<std::int64_t> stamp_of(std::string_view prefix) {
  for (int skipped = 0; skipped < 2; ++skipped) {
    const auto comma = prefix.find(',');
    if (comma == std::string_view::npos) return std::nullopt;
    prefix.remove_prefix(comma + 1);
  }
  return number<std::int64_t>(prefix.substr(0, prefix.find(',')));
}

std::optional<std::string> between(std::string_view text, std::string_view key,
                                   std::string_view end) {
  const auto at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const auto value = text.substr(at + key.size());
  const auto stop = value.find(end);
  if (stop == std::string_view::npos) return std::nullopt;
  return std::string(value.substr(0, stop));
}

}  // namespace

std::optional<OomKill> parse_oom_kill(std::string_view record) {
  const auto semicolon = record.find(';');
  if (semicolon == std::string_view::npos) return std::nullopt;
  const auto stamp = stamp_of(record.substr(0, semicolon));
  auto text = record.substr(semicolon + 1);
  text = text.substr(0, text.find('\n'));
  if (!stamp || !text.starts_with("oom-kill:constraint=")) return std::nullopt;

  OomKill out;
  out.at_ms = *stamp / 1000;
  // From the end: the name of a process may hold anything.
  const auto uid = text.rfind(",uid=");
  const auto pid = text.rfind(",pid=", uid);
  const auto task = text.find(",task=");
  if (uid == std::string_view::npos || pid == std::string_view::npos ||
      task == std::string_view::npos || task > pid) {
    return std::nullopt;
  }
  const auto parsed = number<pid_t>(text.substr(pid + 5, uid - pid - 5));
  if (!parsed) return std::nullopt;
  out.pid = *parsed;
  out.comm = text.substr(task + 6, pid - task - 6);
  const auto groups = text.substr(0, task + 1);
  out.killed_in = between(groups, ",task_memcg=", ",").value_or("");
  out.limit_of = between(groups, ",oom_memcg=", ",");
  return out;
}

UniqueFd open_kernel_log() {
  return UniqueFd(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

std::optional<OomKill> next_oom_kill(int log) {
  std::array<char, 8192> record{};
  while (true) {
    const auto got = ::read(log, record.data(), record.size());
    // EPIPE: the log has gone on without us; the next read gives the oldest that is left.
    if (got < 0 && (errno == EINTR || errno == EPIPE)) continue;
    if (got <= 0) return std::nullopt;
    auto kill = parse_oom_kill({record.data(), static_cast<std::size_t>(got)});
    if (kill) return kill;
  }
}

}  // namespace dixis
