#pragma once

#include <cstddef>
#include <sys/types.h>

#include "common/result.hpp"
#include "daemon/sys/fd.hpp"

/// The pipes between apps and their logs.
namespace dixis {

/// What is asked for; a user who has many pipes gets less.
inline constexpr std::size_t kPipeBytes = std::size_t{1} << 20U;

struct Pipe {
  UniqueFd read_end;
  /// Open for reading and writing: whoever has it gets no SIGPIPE when the daemon dies.
  UniqueFd app_end;
};

/// The daemon's end doesn't block, the app's does.
Result<Pipe> make_app_pipe();

struct ReopenedPipe {
  UniqueFd read_end{};
  ino_t inode = 0;
};

/// The pipe of ours that process `pid` has as descriptor `fd`. One that the app made itself
/// (`| tee`) is told by its access mode, and refused.
Result<ReopenedPipe> reopen_app_pipe(int pid, int fd);

std::size_t bytes_in_pipe(int read_end);
/// Whether nobody can write to it any more.
bool writers_are_gone(int read_end);
/// Whether a writer would have to wait.
bool pipe_is_full(int read_end);

}  // namespace dixis
