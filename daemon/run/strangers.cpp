#include "daemon/run/strangers.hpp"

#include <array>
#include <filesystem>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace dixis {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

bool lies_in(const std::string& file, const std::string& directory) {
  return !directory.empty() && directory != "/" && file.size() > directory.size() &&
         file.starts_with(directory) && file[directory.size()] == '/';
}

std::string real_path(const std::string& path) {
  if (path.empty()) return path;
  std::error_code error;
  const auto real = std::filesystem::canonical(path, error);
  return error ? path : real.string();
}

/// The nearest directory above `file` that everybody may write to.
std::string open_directory_of(const std::string& file) {
  std::filesystem::path above = std::filesystem::path(file).parent_path();
  while (above.has_relative_path()) {
    struct stat facts {};
    if (::stat(above.c_str(), &facts) == 0 && (facts.st_mode & S_IWOTH) != 0) return above.string();
    above = above.parent_path();
  }
  return {};
}

}  // namespace

std::optional<std::string> why_stranger(const Program& program, const Home& home) {
  if (program.exe.starts_with("/memfd:")) return "it runs from memory, without a file";
  if (program.deleted) return "its executable was deleted or replaced";
  if (program.exe == home.leader_exe || program.exe == home.executable) return std::nullopt;
  const bool at_home = lies_in(program.exe, home.directory);
  // Where everybody may write above the whole app, that isn't this program's doing.
  if (!program.open_directory.empty() &&
      (!at_home || lies_in(program.open_directory + "/", home.directory))) {
    return "it lies in " + program.open_directory + ", which everybody may write to";
  }
  if (at_home) return std::nullopt;
  return "it is neither the app's interpreter nor in its directory";
}

std::vector<Stranger> find_strangers(const std::vector<pid_t>& pids, const Home& home) {
  std::vector<Stranger> out;
  for (const pid_t pid : pids) {
    const auto program = program_of(pid);
    if (!program) continue;
    if (auto why = why_stranger(*program, home))
      out.push_back({pid, program->exe, std::move(*why)});
  }
  return out;
}

std::optional<Program> program_of(pid_t pid) {
  const std::string link = "/proc/" + std::to_string(pid) + "/exe";
  std::array<char, 4096> target{};
  const auto length = ::readlink(link.c_str(), target.data(), target.size());
  if (length <= 0) return std::nullopt;
  Program out;
  out.exe.assign(target.data(), static_cast<std::size_t>(length));
  struct stat facts {};
  // The link leads to the file itself, however it is named by now.
  out.deleted = ::stat(link.c_str(), &facts) == 0 && facts.st_nlink == 0;
  if (out.deleted && out.exe.ends_with(kDeleted)) {
    out.exe.resize(out.exe.size() - kDeleted.size());
  }
  out.open_directory = open_directory_of(out.exe);
  return out;
}

Home home_of(pid_t leader, const std::string& executable, const std::string& cwd) {
  Home out;
  if (const auto program = program_of(leader)) out.leader_exe = program->exe;
  out.executable = real_path(executable);
  out.directory = real_path(cwd);
  return out;
}

}  // namespace dixis
