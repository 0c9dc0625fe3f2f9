#include "daemon/logs/pipe.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/stat.h>

namespace dixis {
namespace {

std::string own_path(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

/// What poll(2) says of it now.
short look(int fd, short events) {
  pollfd entry{fd, events, 0};
  return ::poll(&entry, 1, 0) < 0 ? short{0} : entry.revents;
}

bool open_for_both(const std::string& process, int fd) {
  std::ifstream info(process + "/fdinfo/" + std::to_string(fd));
  for (std::string key, value; info >> key >> value;) {
    if (key == "flags:") return (std::stoi(value, nullptr, 8) & O_ACCMODE) == O_RDWR;
  }
  return false;
}

}  // namespace

Result<Pipe> make_app_pipe() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno_error("cannot make a pipe", errno);
  Pipe pipe{UniqueFd(ends[0]), {}};
  const UniqueFd write_end(ends[1]);
  (void)::fcntl(write_end.get(), F_SETPIPE_SZ, static_cast<int>(kPipeBytes));
  const std::string again = own_path(write_end.get());
  pipe.app_end.reset(::open(again.c_str(), O_RDWR | O_CLOEXEC));
  if (!pipe.app_end) return errno_error("cannot open a pipe again through " + again, errno);
  return pipe;
}

Result<ReopenedPipe> reopen_app_pipe(int pid, int fd) {
  const std::string process = "/proc/" + std::to_string(pid);
  const std::string path = process + "/fd/" + std::to_string(fd);
  const std::string what = "cannot take back the output of a process through " + path;
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return errno_error(what, errno);
  if (!S_ISFIFO(facts.st_mode) || !open_for_both(process, fd)) {
    return Error{what + ": it is not a pipe of ours",
                 "the process redirected it; what it writes there is not in the log"};
  }
  ReopenedPipe pipe{UniqueFd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)),
                    facts.st_ino};
  if (!pipe.read_end) return errno_error(what, errno);
  return pipe;
}

std::size_t bytes_in_pipe(int read_end) {
  int held = 0;
  return ::ioctl(read_end, FIONREAD, &held) == 0 ? static_cast<std::size_t>(held) : 0;
}

bool writers_are_gone(int read_end) {
  return (look(read_end, POLLIN) & POLLHUP) != 0;
}

bool pipe_is_full(int read_end) {
  // Bytes don't tell: a page that a line didn't fit in counts as full. A write end does, while it
  // is open; the end of the last writer is seen again once it is closed.
  if (bytes_in_pipe(read_end) == 0) return false;
  const UniqueFd write_end(::open(own_path(read_end).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  return write_end && (look(write_end.get(), POLLOUT) & POLLOUT) == 0;
}

}  // namespace dixis
