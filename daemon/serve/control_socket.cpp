#include "daemon/serve/control_socket.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "common/paths.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

namespace fs = std::filesystem;

namespace {

constexpr ::timeval kPatience{2, 0};
// The timer goes on firing, so that one that comes before flock() has begun isn't the last.
constexpr ::timeval kAgain{0, 50'000};

/// Lets SIGALRM interrupt a blocking call after kPatience. Only where there is one thread.
class Alarm {
 public:
  Alarm() {
    struct ::sigaction action {};
    action.sa_handler = [](int) {};  // without SA_RESTART: the call ends with EINTR
    ::sigaction(SIGALRM, &action, &before_);
    const ::itimerval timer{kAgain, kPatience};
    ::setitimer(ITIMER_REAL, &timer, nullptr);
  }
  ~Alarm() {
    const ::itimerval off{};
    ::setitimer(ITIMER_REAL, &off, nullptr);
    ::sigaction(SIGALRM, &before_, nullptr);
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

 private:
  struct ::sigaction before_ {};
};

std::string text_of(int lock) {
  std::array<char, 128> buffer{};
  const auto size = ::pread(lock, buffer.data(), buffer.size(), 0);
  std::string text(buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string holder_of(int lock) {
  const std::string text = text_of(lock);
  const auto blank = text.find(' ');
  if (blank == std::string::npos) return "another process";
  return "pid " + text.substr(0, blank) + ", running since " + text.substr(blank + 1);
}

Error lock_error(const fs::path& file) {
  return errno_error("cannot lock " + file.string(), errno);
}

Result<ControlSocket> take_passed(UniqueFd listener) {
  ControlSocket socket{std::move(listener), {}, false};
  ::sockaddr_un address{};
  socklen_t size = sizeof address;
  int listening = 0;
  socklen_t flag = sizeof listening;
  const int fd = socket.listener.get();
  const int got = ::getsockname(fd, reinterpret_cast<::sockaddr*>(&address), &size);
  const int asked = ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &flag);
  if (got != 0 || address.sun_family != AF_UNIX || asked != 0 || listening == 0) {
    return Error{"the descriptor from LISTEN_FDS is not a listening Unix socket",
                 "dixisd.socket needs ListenStream= with a path"};
  }
  socket.path = std::string(address.sun_path);
  return socket;
}

}  // namespace

Result<void> prepare_runtime_directory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) {
    return Error{"cannot make the runtime directory " + directory.string() + ": " + error.message(),
                 "use --runtime-dir, or make it for the user that runs dixisd"};
  }
  struct ::stat status {};
  if (::stat(directory.c_str(), &status) != 0) {
    return errno_error("cannot look at the runtime directory " + directory.string(), errno);
  }
  const bool of_others = status.st_uid != ::geteuid() && status.st_uid != 0;
  if (of_others || (status.st_mode & S_IWOTH) != 0) {
    return Error{"the runtime directory " + directory.string() + " can be written by others",
                 "it must be owned by the user that runs dixisd, and writable by nobody else"};
  }
  return {};
}

Result<RuntimeLock> lock_runtime_directory(const fs::path& directory) {
  const fs::path file = directory / "lock";
  RuntimeLock lock{UniqueFd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644))};
  if (!lock.fd) return errno_error("cannot open " + file.string(), errno);
  if (::flock(lock.fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return lock_error(file);
    const Alarm alarm;
    if (::flock(lock.fd.get(), LOCK_EX) != 0) {
      if (errno != EINTR) return lock_error(file);
      return Error{"another dixisd holds " + directory.string() + ": " + holder_of(lock.fd.get()),
                   "use that one, stop it, or choose another --runtime-dir"};
    }
  }
  lock.found = text_of(lock.fd.get());
  const std::string text = std::to_string(::getpid()) + " " + wall_clock_now() + "\n";
  if (::ftruncate(lock.fd.get(), 0) != 0 ||
      ::pwrite(lock.fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    return errno_error("cannot write " + file.string(), errno);
  }
  return lock;
}

void say_goodbye(const RuntimeLock& lock) {
  // If it fails, the next one says of us that we ended without it.
  [[maybe_unused]] const int emptied = ::ftruncate(lock.fd.get(), 0);
}

Result<ControlSocket> open_control_socket(const fs::path& directory, UniqueFd passed) {
  if (passed) return take_passed(std::move(passed));

  ControlSocket socket{UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
                       directory / kSocketName, true};
  if (!socket.listener) return errno_error("cannot make a socket", errno);
  ::sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket.path.string();
  if (path.size() >= sizeof address.sun_path) {
    return Error{"cannot bind " + path + ": a socket's path has at most " +
                     std::to_string(sizeof address.sun_path - 1) + " bytes, this one " +
                     std::to_string(path.size()),
                 "choose a shorter --runtime-dir"};
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return errno_error("cannot replace " + path, errno);
  }
  // Everybody may connect; the peer's credentials decide. The mode is right from the first moment.
  const auto before = ::umask(0111);
  const int bound =
      ::bind(socket.listener.get(), reinterpret_cast<const ::sockaddr*>(&address), sizeof address);
  const int bind_error = errno;
  ::umask(before);
  if (bound != 0) return errno_error("cannot bind " + path, bind_error);
  if (::listen(socket.listener.get(), SOMAXCONN) != 0) {
    return errno_error("cannot listen on " + path, errno);
  }
  return socket;
}

}  // namespace dixis
