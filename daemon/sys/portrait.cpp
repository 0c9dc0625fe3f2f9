// How a process is named to a person (declared in process_table.hpp).
#include <array>
#include <charconv>
#include <pwd.h>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "daemon/sys/proc_files.hpp"
#include "daemon/sys/process_table.hpp"

namespace dixis {
namespace {

constexpr std::size_t kMaxCommand = 300;

/// The length of the UTF-8 sequence that `text` begins with; 0 if it isn't one.
std::size_t utf8_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  std::size_t length = 0;
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  if (first >= 0xE0 && first <= 0xEF) length = 3;
  if (first >= 0xF0 && first <= 0xF4) length = 4;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) return 0;
  }
  return length;
}

/// What a terminal and JSON can take: an app chooses its own name, so it could hold anything.
std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    const std::size_t length = byte < 0x80 ? 1 : utf8_length(text);
    if (length == 0 || byte < 0x20 || byte == 0x7F) {
      out += '?';
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

std::string command_line(const std::string& directory) {
  std::array<char, kMaxCommand> buffer{};
  std::string text(proc::read_small((directory + "/cmdline").c_str(), buffer));
  while (!text.empty() && text.back() == '\0') text.pop_back();
  for (char& byte : text) {
    if (byte == '\0') byte = ' ';
  }
  return printable(text);
}

std::string working_directory(const std::string& directory) {
  std::array<char, 4096> buffer{};
  const auto length = ::readlink((directory + "/cwd").c_str(), buffer.data(), buffer.size());
  if (length <= 0) return {};
  return printable({buffer.data(), static_cast<std::size_t>(length)});
}

std::string user_name(uid_t uid) {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return std::to_string(uid);
}

/// The real uid, from status: the owner of /proc/PID is root for what can't be dumped.
std::string owner(const std::string& directory) {
  std::array<char, 4096> buffer{};
  const auto status = proc::read_small((directory + "/status").c_str(), buffer);
  constexpr std::string_view kField = "\nUid:\t";
  const auto at = status.find(kField);
  if (at == std::string_view::npos) return {};
  uid_t uid = 0;
  const auto* begin = status.data() + at + kField.size();
  const auto parsed = std::from_chars(begin, status.data() + status.size(), uid);
  return parsed.ec == std::errc{} ? user_name(uid) : std::string{};
}

}  // namespace

ProcessPortrait portray(pid_t pid) {
  const std::string directory = "/proc/" + std::to_string(pid);
  ProcessPortrait portrait;
  portrait.pid = pid;
  if (const auto facts = proc::read_stat(pid)) portrait.comm = printable(facts->comm);
  portrait.command = command_line(directory);
  portrait.cwd = working_directory(directory);
  portrait.user = owner(directory);
  return portrait;
}

std::string to_text(const ProcessPortrait& portrait) {
  std::string text = portrait.command;
  if (text.empty()) text = portrait.comm.empty() ? "a process" : portrait.comm;
  text += " (pid " + std::to_string(portrait.pid);
  if (!portrait.user.empty()) text += ", user " + portrait.user;
  if (!portrait.cwd.empty()) text += ", in " + portrait.cwd;
  return text + ")";
}

}  // namespace dixis
