#include "daemon/sys/proc_files.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <string>
#include <unistd.h>

#include "daemon/sys/fd.hpp"

namespace dixis::proc {
namespace {

/// The next blank-separated number, cut off the front of `text`.
template <class T>
bool take(std::string_view& text, T& out) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool skip(std::string_view& text, int fields) {
  for (; fields > 0; --fields) {
    const auto begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return false;
    text.remove_prefix(begin);
    text.remove_prefix(std::min(text.find(' '), text.size()));
  }
  return true;
}

bool read_children(const char* path, std::vector<pid_t>& out) {
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return false;
  std::string text;
  std::array<char, 4096> chunk{};
  for (;;) {
    const auto got = ::read(file.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  std::string_view rest = text;
  for (pid_t child = 0; take(rest, child);) out.push_back(child);
  return true;
}

}  // namespace

std::string_view read_small(const char* path, std::span<char> buffer) {
  const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) return {};
  for (;;) {
    const auto got = ::read(file.get(), buffer.data(), buffer.size());
    if (got >= 0) return {buffer.data(), static_cast<std::size_t>(got)};
    if (errno != EINTR) return {};
  }
}

std::optional<ProcessFacts> parse_stat(std::string_view text) {
  const auto open = text.find('(');
  const auto close = text.rfind(')');  // the last one: the name itself may hold some
  if (open == std::string_view::npos || close == std::string_view::npos || close < open ||
      text.size() < close + 4) {
    return std::nullopt;
  }
  ProcessFacts facts;
  auto head = text.substr(0, open);
  if (!take(head, facts.pid)) return std::nullopt;
  facts.comm = text.substr(open + 1, close - open - 1);
  facts.state = text[close + 2];

  auto rest = text.substr(close + 3);
  std::uint64_t user_ticks = 0;
  std::uint64_t system_ticks = 0;
  std::int64_t rss_pages = 0;
  const bool whole = take(rest, facts.parent) && take(rest, facts.group) &&
                     take(rest, facts.session) &&                           // fields 4 to 6
                     skip(rest, 7) &&                                       // tty … cmajflt
                     take(rest, user_ticks) && take(rest, system_ticks) &&  // 14, 15
                     skip(rest, 6) && take(rest, facts.start_ticks) &&      // 22
                     skip(rest, 1) && take(rest, rss_pages);                // 24
  if (!whole) return std::nullopt;
  static const std::int64_t page_size = sysconf(_SC_PAGESIZE);
  facts.cpu_ticks = user_ticks + system_ticks;
  facts.rss_bytes = rss_pages * page_size;
  return facts;
}

std::optional<ProcessFacts> read_stat(pid_t pid) {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/stat", pid);
  std::array<char, 1024> buffer{};
  return parse_stat(read_small(path.data(), buffer));
}

void for_each_number(const char* directory, const std::function<void(int)>& visit) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(directory), ::closedir);
  if (!entries) return;
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    int number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc{} && end == name.data() + name.size()) visit(number);
  }
}

std::optional<std::vector<pid_t>> children_of(pid_t pid) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  std::vector<pid_t> children;
  bool supported = true;
  for_each_number(tasks.c_str(), [&](int thread) {
    const std::string task = tasks + "/" + std::to_string(thread);
    if (read_children((task + "/children").c_str(), children)) return;
    // A thread that ended meanwhile isn't a kernel without the file.
    if (::access((task + "/stat").c_str(), F_OK) == 0) supported = false;
  });
  if (!supported) return std::nullopt;
  return children;
}

}  // namespace dixis::proc
