#include "daemon/logs/log_place.hpp"

#include <cerrno>
#include <fcntl.h>
#include <grp.h>
#include <optional>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace dixis {
namespace {

constexpr mode_t kDirectoryMode = 0750;
constexpr mode_t kFileMode = 0640;

/// The group that reads logs on Debian; only root can give files to it.
std::optional<gid_t> reading_group() {
  if (::geteuid() != 0) return std::nullopt;
  std::vector<char> buffer(16'384);
  struct group entry {};
  struct group* found = nullptr;
  if (::getgrnam_r("adm", &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return std::nullopt;
  }
  return found->gr_gid;
}

/// Best effort: a log that only root can read is better than none.
void let_readers_in(int fd, mode_t mode) {
  if (const auto group = reading_group()) {
    if (::fchown(fd, 0, *group) != 0) return;
  }
  if (::fchmod(fd, mode) != 0) return;  // a strict umask of the daemon's doesn't count here
}

void make_directory(const std::filesystem::path& directory) {
  std::error_code ignored;
  std::filesystem::create_directories(directory.parent_path(), ignored);
  if (::mkdir(directory.c_str(), kDirectoryMode) != 0) return;  // the open that follows says why
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd) let_readers_in(fd.get(), kDirectoryMode);
}

}  // namespace

int open_log(const std::filesystem::path& path, UniqueFd& file) {
  constexpr int kFlags = O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW;
  file.reset(::open(path.c_str(), kFlags));
  if (file) return 0;
  if (errno != ENOENT) return errno;
  make_directory(path.parent_path());
  file.reset(::open(path.c_str(), kFlags | O_CREAT | O_EXCL, kFileMode));
  if (!file) return errno;
  let_readers_in(file.get(), kFileMode);
  return 0;
}

}  // namespace dixis
