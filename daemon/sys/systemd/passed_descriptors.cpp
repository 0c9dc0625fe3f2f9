#include "daemon/sys/systemd/passed_descriptors.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <sstream>
#include <unistd.h>

namespace dixis {

namespace {

constexpr int kFirstPassedFd = 3;
/// More than any limit of this program: a larger number is a mistake of whoever set it.
constexpr int kMostPassed = 1 << 16;

std::string take_variable(const char* name) {
  const char* const value = std::getenv(name);
  std::string out = value == nullptr ? "" : value;
  ::unsetenv(name);
  return out;
}

}  // namespace

std::vector<NamedFd> take_passed_descriptors() {
  const std::string pid = take_variable("LISTEN_PID");
  const std::string count = take_variable("LISTEN_FDS");
  std::istringstream names(take_variable("LISTEN_FDNAMES"));
  std::vector<NamedFd> out;
  if (pid != std::to_string(::getpid())) return out;
  const long number = std::strtol(count.c_str(), nullptr, 10);
  if (std::to_string(number) != count || number > kMostPassed) return out;
  for (int fd = kFirstPassedFd; fd < kFirstPassedFd + number; ++fd) {
    std::string name;
    std::getline(names, name, ':');
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) out.push_back({std::move(name), UniqueFd(fd)});
  }
  return out;
}

}  // namespace dixis
