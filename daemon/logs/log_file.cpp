#include "daemon/logs/log_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <grp.h>
#include <optional>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "daemon/sys/clock.hpp"

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

int LogFile::open_file() {
  constexpr int kFlags = O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  file_.reset(::open(path_.c_str(), kFlags));
  if (file_ || errno != ENOENT) return file_ ? 0 : errno;
  make_directory(path_.parent_path());
  file_.reset(::open(path_.c_str(), kFlags | O_CREAT | O_EXCL, kFileMode));
  if (!file_) return errno;
  let_readers_in(file_.get(), kFileMode);
  return 0;
}

int LogFile::locate() {
  struct stat facts {};
  if (file_ && ::stat(path_.c_str(), &facts) == 0 && facts.st_dev == device_ &&
      facts.st_ino == inode_) {
    end_ = facts.st_size;
    return 0;
  }
  file_.reset();
  if (const int error = open_file(); error != 0) return error;
  if (::fstat(file_.get(), &facts) != 0) return errno;
  device_ = facts.st_dev;
  inode_ = facts.st_ino;
  end_ = facts.st_size;
  return 0;
}

Carried LogFile::carry(int pipe, std::size_t limit, std::size_t* moved) {
  if (const int error = locate(); error != 0) return fail(error);
  const std::string line = owes_line() ? lost_line() : std::string();
  if (const int error = write_all(line); error != 0) {
    take_back();
    return fail(error);
  }

  loff_t offset = end_ + static_cast<off_t>(line.size());
  ssize_t count = -1;
  do {
    count = ::splice(pipe, nullptr, file_.get(), &offset, limit, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (count < 0 && errno == EINTR);

  if (count < 0) {
    const int error = errno;
    // The line stays only if what follows it does; else a disk that has room for just one line
    // would fill with them.
    if (!line.empty()) take_back();
    return error == EAGAIN ? Carried::empty : fail(error);
  }
  if (moved != nullptr) *moved = static_cast<std::size_t>(count);
  lost_ = {};
  error_ = 0;
  return count == 0 ? Carried::ended : Carried::moved;
}

Carried LogFile::drop(int pipe, std::size_t limit) {
  std::array<char, 65'536> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  std::size_t taken = 0;
  while (taken < limit) {
    const ssize_t count = ::read(pipe, buffer.data(), std::min(buffer.size(), limit - taken));
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) return Carried::ended;
    if (count < 0) break;
    const auto size = static_cast<std::size_t>(count);
    taken += size;
    lost_.bytes += size;
    lost_.lines += static_cast<std::uint64_t>(
        std::count(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size), '\n'));
    lost_.last = std::chrono::system_clock::now();
  }
  return taken > 0 ? Carried::moved : Carried::empty;
}

std::chrono::milliseconds LogFile::failing_for() const {
  if (error_ == 0) return std::chrono::milliseconds(0);
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               failing_since_);
}

int LogFile::write_all(const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::pwrite(file_.get(), text.data() + done, text.size() - done,
                                   end_ + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    done += static_cast<std::size_t>(count);
  }
  return 0;
}

void LogFile::take_back() {
  struct stat facts {};
  if (::fstat(file_.get(), &facts) == 0 && facts.st_size > end_ &&
      ::ftruncate(file_.get(), end_) != 0) {
    file_.reset();  // the next attempt starts anew
  }
}

std::string LogFile::lost_line() const {
  char last = '\n';
  if (end_ > 0 && ::pread(file_.get(), &last, 1, end_ - 1) != 1) last = '\n';
  std::string line = last == '\n' ? "[dixis] " : "\n[dixis] ";
  line += std::to_string(lost_.lines) + (lost_.lines == 1 ? " line (" : " lines (");
  line += std::to_string(lost_.bytes) + (lost_.bytes == 1 ? " byte) " : " bytes) ");
  line += "were lost between " + format_wall_clock(failing_since_wall_) + " and " +
          format_wall_clock(lost_.last) + ": " + std::generic_category().message(error_) + "\n";
  return line;
}

Carried LogFile::fail(int error) {
  if (error_ == 0) {
    failing_since_ = std::chrono::steady_clock::now();
    failing_since_wall_ = std::chrono::system_clock::now();
  }
  error_ = error;
  return Carried::failed;
}

}  // namespace dixis
