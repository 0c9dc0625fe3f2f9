#pragma once

#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace dixis {

/// What belongs to an app: its interpreter, or its binary, and its directory.
struct Home {
  std::string leader_exe{};  ///< /proc/LEADER/exe; empty: unknown
  std::string executable{};  ///< what was started, symlinks followed; empty: unknown
  std::string directory{};   ///< its cwd, symlinks followed
};

/// An executable as the kernel names it.
struct Program {
  std::string exe{};     ///< /proc/PID/exe
  bool deleted = false;  ///< its file is gone, or was replaced
  std::string
      open_directory{};  ///< the directory above it that everybody may write to; empty: none
};

/// Why the program is a stranger in that app; nullopt: it belongs there. Pure.
std::optional<std::string> why_stranger(const Program& program, const Home& home);

/// One that was found.
struct Stranger {
  pid_t pid = 0;
  std::string exe{};
  std::string why{};
};

// Worker only.

/// Those of the processes that are strangers. Who is gone, or can't be read, is none.
std::vector<Stranger> find_strangers(const std::vector<pid_t>& pids, const Home& home);
/// nullopt: unreadable, or gone.
std::optional<Program> program_of(pid_t pid);
Home home_of(pid_t leader, const std::string& executable, const std::string& cwd);

}  // namespace dixis
