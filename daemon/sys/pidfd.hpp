#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/// The calls on pidfds. glibc 2.36 has them, but its header forgets extern "C".
namespace dixis::pidfd {

/// pidfd_open(2), close-on-exec by itself: the descriptor, or -1 and errno.
inline int open(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U));
}

/// pidfd_send_signal(2): 0, or -1 and errno.
inline int send_signal(int fd, int signal) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0U));
}

}  // namespace dixis::pidfd
