#include "daemon/serve/predecessor.hpp"

#include <fstream>
#include <sstream>
#include <unistd.h>

namespace dixis {

namespace {

struct ServiceEnd {
  std::string result{};  ///< "success", "signal", "watchdog", …
  std::string code{};    ///< "exited", "killed", "dumped"; systemd sets none if it never ran
  std::string status{};  ///< the exit code, or the signal without SIG
};

ServiceEnd parse(const std::string& text) {
  ServiceEnd out;
  std::istringstream words(text);
  words >> out.result >> out.code >> out.status;
  return out;
}

std::string name_of(const std::string& lock_text) {
  const auto blank = lock_text.find(' ');
  if (blank == std::string::npos) return "a dixisd before this one";
  return "the dixisd before this one (pid " + lock_text.substr(0, blank) + ", started at " +
         lock_text.substr(blank + 1) + ")";
}

/// systemd kills for reasons of its own; which signal it took says less.
std::optional<std::string> reason_of_systemd(const std::string& result) {
  if (result == "watchdog") {
    return "was ended by systemd's watchdog: its event loop did not turn any more";
  }
  if (result == "timeout") return "was ended by systemd: it did not start or end in time";
  if (result == "oom-kill") return "was killed by the kernel: out of memory";
  return std::nullopt;
}

std::string end_of_process(const ServiceEnd& end) {
  if (end.code == "killed") return "was killed by SIG" + end.status;
  if (end.code == "dumped") return "crashed with SIG" + end.status + ", and dumped its core";
  if (end.code != "exited") return "could not be run by systemd: " + end.result;
  return "exited with " + end.status + (end.status == "7" ? ": its configuration was invalid" : "");
}

std::string end_by_kernel(const OomKill& kill) {
  return "was killed by the kernel: " +
         (kill.limit_of ? "out of memory, the limit of " + *kill.limit_of + " was reached"
                        : std::string("the machine was out of memory"));
}

std::string take_service_end(const std::filesystem::path& runtime_directory) {
  const auto file = runtime_directory / "last-end";
  std::string line;
  std::getline(std::ifstream(file), line);
  ::unlink(file.c_str());
  return line;
}

std::optional<OomKill> kernel_killed(const std::string& lock_text) {
  const UniqueFd log = open_kernel_log();
  if (!log) return std::nullopt;
  const std::string pid = lock_text.substr(0, lock_text.find(' '));
  std::optional<OomKill> last;
  while (auto kill = next_oom_kill(log.get())) {
    if (kill->comm == "dixisd" && std::to_string(kill->pid) == pid) last = std::move(kill);
  }
  return last;
}

}  // namespace

std::optional<std::string> explain_predecessor(const std::string& lock_text,
                                               const std::string& service_end,
                                               const std::optional<OomKill>& oom) {
  const ServiceEnd end = parse(service_end);
  if (end.code == "exited" && end.status == "0") return std::nullopt;
  const std::string who = name_of(lock_text) + " ";
  if (oom) return who + end_by_kernel(*oom);
  if (const auto reason = reason_of_systemd(end.result)) return who + *reason;
  if (!end.result.empty()) return who + end_of_process(end);
  if (lock_text.empty()) return std::nullopt;
  return who + "ended without saying goodbye: it was killed, or it crashed";
}

std::optional<std::string> how_predecessor_ended(const std::filesystem::path& runtime_directory,
                                                 const std::string& lock_text) {
  const std::string service_end = take_service_end(runtime_directory);
  const auto oom = lock_text.empty() ? std::nullopt : kernel_killed(lock_text);
  return explain_predecessor(lock_text, service_end, oom);
}

}  // namespace dixis
