#include "daemon/sys/core_file.hpp"

#include <array>

#include "daemon/sys/proc_files.hpp"

namespace dixis {
namespace {

/// The pattern with what is certain put in; nullopt where it holds more.
std::optional<std::string> expanded(std::string_view pattern, bool uses_pid, pid_t pid) {
  std::string out;
  bool has_pid = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      out += pattern[i];
      continue;
    }
    if (++i == pattern.size()) break;  // a lone % at the end is dropped
    if (pattern[i] == '%') {
      out += '%';
    } else if (pattern[i] == 'p' || pattern[i] == 'P') {
      out += std::to_string(pid);
      has_pid = true;
    } else {
      return std::nullopt;
    }
  }
  if (uses_pid && !has_pid) out += "." + std::to_string(pid);
  return out;
}

}  // namespace

std::string core_words(std::string_view core_pattern, bool uses_pid, pid_t pid,
                       const std::string& cwd) {
  while (!core_pattern.empty() && core_pattern.back() == '\n') core_pattern.remove_suffix(1);
  if (core_pattern.empty() && !uses_pid) return "";
  if (core_pattern.starts_with('|')) {
    const auto program = core_pattern.substr(1, core_pattern.find(' ') - 1);
    const std::string given = "the core was given to " + std::string(program);
    if (program.find("systemd-coredump") == std::string_view::npos) return given;
    return given + ": see `coredumpctl info " + std::to_string(pid) + "`";
  }
  const bool absolute = core_pattern.starts_with('/');
  const auto file = expanded(core_pattern, uses_pid, pid);
  if (!file) {
    return "the core is named after '" + std::string(core_pattern) + "' (core(5))" +
           (absolute ? "" : ", in its working directory, " + cwd + " at its start");
  }
  if (absolute) return "the core is " + *file;
  return "the core is " + *file + " in its working directory, " + cwd + " at its start";
}

std::string core_words(pid_t pid, const std::string& cwd) {
  std::array<char, 256> pattern{};
  std::array<char, 8> uses_pid{};
  const auto text = proc::read_small("/proc/sys/kernel/core_pattern", pattern);
  const auto flag = proc::read_small("/proc/sys/kernel/core_uses_pid", uses_pid);
  if (text.empty()) return "";
  return core_words(text, flag.starts_with('1'), pid, cwd);
}

}  // namespace dixis
