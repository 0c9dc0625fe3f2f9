#include "daemon/sys/app_files.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include "daemon/sys/fd.hpp"

namespace dixis {
namespace {

/// This thread's effective and file-system ids and groups are the app's while this lives. Raw
/// system calls: glibc's wrappers would switch every thread of the daemon. Real and saved ids stay
/// root's, so that no process of the app's user may signal or trace the daemon meanwhile.
class AsUser {
 public:
  explicit AsUser(const std::optional<Credentials>& credentials) {
    if (!credentials || ::geteuid() != 0) return;
    saved_groups_.resize(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
    if (::getgroups(static_cast<int>(saved_groups_.size()), saved_groups_.data()) < 0) {
      error_ = errno;
      return;
    }
    saved_gid_ = ::getegid();
    switched_ = true;
    if (::syscall(SYS_setgroups, credentials->groups.size(), credentials->groups.data()) != 0 ||
        ::syscall(SYS_setresgid, -1, credentials->gid, -1) != 0 ||
        ::syscall(SYS_setresuid, -1, credentials->uid, -1) != 0) {
      error_ = errno;
    }
  }
  ~AsUser() {
    if (!switched_) return;
    if (::syscall(SYS_setresuid, -1, 0, -1) != 0 ||
        ::syscall(SYS_setresgid, -1, saved_gid_, -1) != 0 ||
        ::syscall(SYS_setgroups, saved_groups_.size(), saved_groups_.data()) != 0) {
      std::abort();  // a thread of the daemon must never go on as somebody else
    }
  }
  AsUser(const AsUser&) = delete;
  AsUser& operator=(const AsUser&) = delete;

  /// The errno if the switch failed, else 0.
  int error() const { return error_; }

 private:
  std::vector<gid_t> saved_groups_;
  gid_t saved_gid_ = 0;
  bool switched_ = false;
  int error_ = 0;
};

std::string reader_name(const std::optional<Credentials>& credentials) {
  return credentials && !credentials->user.empty() ? " as user " + credentials->user : "";
}

/// Opens for reading with the app's rights, which count at this moment only.
UniqueFd open_as(const std::filesystem::path& file, const std::optional<Credentials>& credentials,
                 int& error) {
  const AsUser as_user(credentials);
  error = as_user.error();
  if (error != 0) return {};
  // O_NONBLOCK: a fifo without a writer, or a device, must not hang the worker.
  UniqueFd fd(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) error = errno;
  return fd;
}

Error too_large(const std::string& what) {
  return {what + ": the file is larger than 1 MiB", "check that it is the right file"};
}

Result<std::string> read_all(int fd, const std::string& what) {
  std::string text;
  std::array<char, 16384> chunk{};
  for (;;) {
    const auto got = ::read(fd, chunk.data(), chunk.size());
    if (got == 0) return text;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error(what, errno);
    text.append(chunk.data(), static_cast<std::size_t>(got));
    if (text.size() > kMaxAppFile) return too_large(what);  // it grew while we read
  }
}

std::string hint_for(int error, const std::optional<Credentials>& credentials) {
  if (error == EACCES && credentials) {
    return "let user " + credentials->user + " read it and enter its directories (chown, chmod)";
  }
  if (error == ENOENT) return "create it, or correct the path";
  return {};
}

}  // namespace

Result<std::string> read_app_file(const std::filesystem::path& file,
                                  const std::optional<Credentials>& credentials) {
  const std::string what = "cannot read " + file.string() + reader_name(credentials);
  int error = 0;
  const UniqueFd fd = open_as(file, credentials, error);
  if (!fd) return errno_error(what, error, hint_for(error, credentials));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return errno_error(what, errno);
  if (!S_ISREG(status.st_mode)) {
    return Error{what + ": it is not a regular file", "only regular files are read here"};
  }
  if (static_cast<std::size_t>(status.st_size) > kMaxAppFile) return too_large(what);
  return read_all(fd.get(), what);
}

Result<std::string> read_app_file_head(const std::filesystem::path& file, std::size_t bytes,
                                       const std::optional<Credentials>& credentials) {
  const std::string what = "cannot read " + file.string() + reader_name(credentials);
  int error = 0;
  const UniqueFd fd = open_as(file, credentials, error);
  if (!fd) return errno_error(what, error, hint_for(error, credentials));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return errno_error(what, errno);
  if (!S_ISREG(status.st_mode)) return Error{what + ": it is not a regular file"};
  std::string head(bytes, '\0');
  const auto got = ::pread(fd.get(), head.data(), head.size(), 0);
  if (got < 0) return errno_error(what, errno);
  head.resize(static_cast<std::size_t>(got));
  return {boost::system::in_place_value, std::move(head)};
}

int check_access(const std::filesystem::path& file, int mode,
                 const std::optional<Credentials>& credentials) {
  const AsUser as_user(credentials);
  if (as_user.error() != 0) return as_user.error();
  // AT_EACCESS, since only the effective ids are the app's; older wrappers emulate it with real
  // ones.
  return ::syscall(SYS_faccessat2, AT_FDCWD, file.c_str(), mode, AT_EACCESS) == 0 ? 0 : errno;
}

}  // namespace dixis
