#include "daemon/sys/cgroup.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include "daemon/sys/fd.hpp"
#include "daemon/sys/proc_files.hpp"

namespace dixis {
namespace {

constexpr const char* kRoot = "/sys/fs/cgroup";
constexpr std::size_t kDeepest = 8;

std::string text_of(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> chunk{};
  while (file) {
    const auto got = ::read(file.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return text;
}

std::optional<std::uint64_t> first_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc()) return std::nullopt;
  return value;
}

void collect(const std::string& directory, std::size_t depth, std::vector<pid_t>& out) {
  const std::string listed = text_of(directory + "/cgroup.procs");
  for (std::string_view rest = listed; !rest.empty();) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const auto pid = first_number(rest.substr(0, end));
    if (pid && *pid > 0) out.push_back(static_cast<pid_t>(*pid));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (depth == 0) return;
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(directory.c_str()), ::closedir);
  while (const dirent* entry = entries ? ::readdir(entries.get()) : nullptr) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    collect(directory + "/" + entry->d_name, depth - 1, out);
  }
}

}  // namespace

std::optional<std::string> cgroup_path(std::string_view text) {
  constexpr std::string_view kVersion2 = "0::";
  const auto at = text.starts_with(kVersion2) ? 0 : text.find("\n0::");
  if (at == std::string_view::npos) return std::nullopt;
  const auto path = text.substr(text.find("0::", at) + kVersion2.size());
  return std::string(path.substr(0, path.find('\n')));
}

std::optional<std::string> cgroup_directory(pid_t pid) {
  std::array<char, 32> file{};
  std::snprintf(file.data(), file.size(), "/proc/%d/cgroup", pid);
  std::array<char, 4096> buffer{};
  const auto path = cgroup_path(proc::read_small(file.data(), buffer));
  if (!path) return std::nullopt;
  std::string root = kRoot;
  if (::access((root + "/cgroup.controllers").c_str(), F_OK) != 0) root += "/unified";
  std::string directory = root + *path;
  if (::access((directory + "/cgroup.procs").c_str(), F_OK) != 0) return std::nullopt;
  return directory;
}

bool counts_memory(const std::string& directory) {
  return ::access((directory + "/memory.current").c_str(), F_OK) == 0;
}

CgroupUsage read_cgroup_usage(const std::string& directory) {
  CgroupUsage out;
  out.cpu_us = keyed_number(text_of(directory + "/cpu.stat"), "usage_usec");
  const auto current = first_number(text_of(directory + "/memory.current"));
  if (!current) return out;
  const auto idle = keyed_number(text_of(directory + "/memory.stat"), "inactive_file");
  out.memory_bytes = static_cast<std::int64_t>(*current - std::min(*current, idle.value_or(0)));
  return out;
}

std::vector<pid_t> cgroup_processes(const std::string& directory) {
  std::vector<pid_t> out;
  collect(directory, kDeepest, out);
  return out;
}

bool kill_cgroup(const std::string& directory) {
  const UniqueFd file(::open((directory + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), "1", 1) == 1;
}

std::optional<std::uint64_t> keyed_number(std::string_view text, std::string_view key) {
  const std::string begin = std::string(key) + " ";
  for (std::string_view rest = text; !rest.empty();) {
    const auto line = rest.substr(0, rest.find('\n'));
    if (line.starts_with(begin)) return first_number(line.substr(begin.size()));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  return std::nullopt;
}

}  // namespace dixis
