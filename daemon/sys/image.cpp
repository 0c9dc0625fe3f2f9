#include "daemon/sys/image.hpp"

#include <cerrno>
#include <fcntl.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigset_t functions are POSIX
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace dixis {

namespace {

constexpr const char* kOwnImage = "/proc/self/exe";
constexpr std::string_view kDeleted = " (deleted)";

void close_on_exec(const std::vector<int>& fds, bool wanted) {
  for (const int fd : fds) ::fcntl(fd, F_SETFD, wanted ? FD_CLOEXEC : 0);
}

std::vector<char*> to_exec_array(const std::vector<std::string>& strings) {
  std::vector<char*> array;
  array.reserve(strings.size() + 1);
  for (const auto& text : strings) array.push_back(const_cast<char*>(text.c_str()));
  array.push_back(nullptr);
  return array;
}

}  // namespace

Result<UniqueFd> open_image(const std::filesystem::path& file) {
  const std::string name = file.string();
  // Not for a fifo's writer.
  UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return errno_error("cannot open " + name, errno);
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return errno_error("cannot look at " + name, errno);
  if (!S_ISREG(facts.st_mode)) return Error{name + " is not a regular file"};
  const bool foreign = facts.st_uid != 0 && facts.st_uid != ::geteuid();
  if (foreign || (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error{name + " can be written by others",
                 "a program that takes over the daemon has to be writable for its user alone"};
  }
  if (::faccessat(fd.get(), "", X_OK, AT_EMPTY_PATH | AT_EACCESS) != 0) {
    return errno_error("cannot run " + name, errno);
  }
  return fd;
}

Result<UniqueFd> open_own_image() {
  UniqueFd fd(::open(kOwnImage, O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("cannot open the own image, /proc/self/exe", errno);
  return fd;
}

std::filesystem::path own_image_path() {
  std::error_code error;
  std::string path = std::filesystem::read_symlink(kOwnImage, error).string();
  if (path.ends_with(kDeleted)) path.resize(path.size() - kDeleted.size());
  return path;
}

Error replace_image(int image, const std::vector<std::string>& argv,
                    const std::vector<std::string>& environment,
                    const std::vector<int>& inherited) {
  auto arguments = to_exec_array(argv);
  auto variables = to_exec_array(environment);
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  close_on_exec(inherited, false);
  ::execveat(image, "", arguments.data(), variables.data(), AT_EMPTY_PATH);
  const int failure = errno;
  close_on_exec(inherited, true);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  return errno_error("exec", failure);
}

void unblock_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace dixis
