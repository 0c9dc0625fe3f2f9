#pragma once

#include <string>
#include <vector>

#include "daemon/sys/fd.hpp"

namespace dixis {

/// A descriptor with the name that it has with systemd: FileDescriptorName= of a socket, FDNAME= of
/// one in the fd store.
struct NamedFd {
  std::string name{};
  UniqueFd fd{};
};

/// What systemd passed to this process (sd_listen_fds_with_names(3)), in its order, close-on-exec.
/// Takes LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES out of the environment: a second call gives
/// nothing. Before there are threads.
std::vector<NamedFd> take_passed_descriptors();

}  // namespace dixis
