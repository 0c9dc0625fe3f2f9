#include "ctl/client.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ctl/render/units.hpp"

namespace dixis::ctl {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

std::string error_text(int number) {
  return std::generic_category().message(number);
}

milliseconds left_until(Clock::time_point until) {
  return std::max(std::chrono::ceil<milliseconds>(until - Clock::now()), milliseconds(0));
}

timeval as_timeval(milliseconds duration) {
  // 0 would mean forever.
  const auto count = std::max<milliseconds::rep>(duration.count(), 1);
  return {.tv_sec = count / 1000, .tv_usec = (count % 1000) * 1000};
}

/// The state letter of /proc/PID/stat, 0 if it can't be read.
char process_state(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  if (!file) return 0;
  std::array<char, 256> line{};
  const std::size_t size = std::fread(line.data(), 1, line.size(), file.get());
  // The name in parentheses may hold anything, blanks and parentheses included.
  const std::size_t end = std::string_view(line.data(), size).rfind(") ");
  return end == std::string_view::npos || end + 2 >= size ? '\0' : line[end + 2];
}

std::string either_of(const std::vector<fs::path>& candidates) {
  std::string out;
  for (const fs::path& path : candidates) out += (out.empty() ? "" : " or ") + path.string();
  return out;
}

Failure connect_failure(const std::vector<fs::path>& candidates, const fs::path& path, int number,
                        milliseconds timeout) {
  const std::string where = path.string();
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return {Trouble::no_socket, "no daemon: there is no socket at " + either_of(candidates),
              "start it with `dixisd`, or `systemctl start dixisd` where systemd runs it, or name "
              "another "
              "socket with --socket"};
    case ECONNREFUSED:
      return {Trouble::stale_socket,
              "no daemon: nobody listens on the socket " + where + ", which is a leftover",
              "start it with `dixisd`, or `systemctl start dixisd` where systemd runs it: it "
              "replaces the leftover"};
    case EACCES:
    case EPERM:
      return {Trouble::socket_not_permitted,
              "not permitted to connect to " + where + ": " + error_text(number),
              "check the rights of the socket and of the directories above it, or use sudo"};
    case EAGAIN:
    case EINPROGRESS:
      return {
          Trouble::backlog_full,
          "the daemon accepts no connection on " + where + ": its queue was full for " +
              duration_words(timeout),
          "it hangs or is flooded with calls: look at what dixisd wrote, on its terminal or in its "
          "journal, or wait longer with --timeout"};
    case ENOTSOCK:
    case EPROTOTYPE:
      return {Trouble::not_a_socket,
              where + " is not a socket that dixisd made: " + error_text(number),
              "name the right one with --socket"};
    default:
      return {Trouble::no_socket, "cannot connect to " + where + ": " + error_text(number),
              "name another socket with --socket"};
  }
}

/// connect(2) with a deadline: on a full backlog the kernel lets it sleep for SO_SNDTIMEO.
int connect_by(int socket, const sockaddr_un& address, Clock::time_point deadline) {
  while (true) {
    const timeval left = as_timeval(left_until(deadline));
    ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &left, sizeof left);
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      return 0;
    }
    // Only a stop and a continue of this process end it early: the wait goes on, it isn't retried.
    if (errno != EINTR) return errno;
    if (Clock::now() >= deadline) return EAGAIN;
  }
}

pid_t listener_of(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return 0;
  return peer.pid > 1 ? peer.pid : 0;  // 1 is systemd, which listened for the daemon
}

fs::path first_existing(const std::vector<fs::path>& candidates) {
  const auto found = std::find_if(candidates.begin(), candidates.end(), [](const fs::path& path) {
    // Where it can't be seen, connect() says why.
    return ::access(path.c_str(), F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
  });
  return found == candidates.end() ? candidates.front() : *found;
}

}  // namespace

std::string method_name(std::string_view method) {
  return "gr.dixis.Supervisor." + std::string(method);
}

Client::Client(UniqueFd socket, fs::path path, milliseconds timeout)
    : socket_(std::move(socket)), path_(std::move(path)), timeout_(timeout) {
  daemon_ = listener_of(socket_.get());
}

Answer<Client> Client::connect(const std::vector<fs::path>& candidates, milliseconds timeout) {
  const fs::path path = first_existing(candidates);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& name = path.native();
  if (name.empty() || name.size() >= sizeof address.sun_path) {
    return Failure{Trouble::no_socket,
                   "the socket's path is " + std::string(name.empty() ? "empty" : "too long") +
                       ": '" + name + "'",
                   "a socket's path has 1 to 107 bytes: name another one with --socket"};
  }
  std::memcpy(address.sun_path, name.data(), name.size());

  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) {
    return Failure{Trouble::refused, "cannot make a socket: " + error_text(errno)};
  }
  const int error = connect_by(socket.get(), address, Clock::now() + timeout);
  if (error != 0) return connect_failure(candidates, path, error, timeout);
  return Client(std::move(socket), path, timeout);
}

Answer<void> Client::pause(milliseconds duration) const {
  pollfd interrupts{interrupts_.get(), POLLIN, 0};
  if (::poll(&interrupts, 1, static_cast<int>(duration.count())) > 0) {
    return Failure{Trouble::interrupted, "interrupted"};
  }
  return {};
}

Answer<void> Client::reconnect(Clock::time_point deadline) {
  constexpr milliseconds kFirstPause{10};
  constexpr milliseconds kLongestPause{200};
  socket_ = UniqueFd();
  reader_ = varlink::FrameReader{varlink::kMaxReplyBytes};
  for (auto between = kFirstPause;; between = std::min(2 * between, kLongestPause)) {
    // Also before the first attempt: the next daemon can't be there yet, and what hangs up on
    // everybody isn't asked without end.
    const auto paused = pause(std::min(between, left_until(deadline)));
    if (!paused) return paused.error();
    auto next = connect({path_}, std::max(left_until(deadline), milliseconds(1)));
    if (next) {
      socket_ = std::move(next->socket_);
      daemon_ = next->daemon_;
      return {};
    }
    if (Clock::now() >= deadline) return next.error();
  }
}

void Client::catch_interrupts() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  interrupts_ = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC));
}

Answer<void> Client::wait(short events, Clock::time_point until, bool& ready) {
  ready = false;
  while (true) {
    std::array<pollfd, 3> fds{{{socket_.get(), events, 0},
                               {interrupts_.get(), POLLIN, 0},
                               {watch_output_ ? STDOUT_FILENO : -1, 0, 0}}};
    const int timeout =
        static_cast<int>(std::min(left_until(until).count(), milliseconds::rep{86'400'000}));
    const int count = ::poll(fds.data(), fds.size(), timeout);
    if (count < 0 && errno != EINTR) {
      return Failure{Trouble::refused, "cannot wait for the daemon: " + error_text(errno)};
    }
    if (count > 0 && fds[1].revents != 0) return Failure{Trouble::interrupted, "interrupted"};
    if (count > 0 && (fds[2].revents & POLLERR) != 0) {
      return Failure{Trouble::output, "nobody reads the standard output any more"};
    }
    if (count > 0 && fds[0].revents != 0) {
      ready = true;
      return {};
    }
    if (Clock::now() >= until) return {};
  }
}

Answer<void> Client::send(const varlink::Call& call, Clock::time_point deadline) {
  const std::string bytes = varlink::frame(call);
  if (bytes.size() > varlink::kMaxCallBytes) {
    return Failure{Trouble::usage, "the call is longer than the daemon takes (1 MB)",
                   "name fewer apps or use a glob"};
  }
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t sent =
        ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    // The daemon may have said why before it hung up: receive() finds that, or the end.
    if (errno == EPIPE || errno == ECONNRESET) return {};
    if (errno != EAGAIN) {
      return Failure{Trouble::closed, "cannot send to the daemon: " + error_text(errno)};
    }
    bool ready = false;
    const auto waited = wait(POLLOUT, deadline, ready);
    if (!waited) return waited.error();
    if (!ready) return no_answer(Trouble::no_answer, timeout_);
  }
  return {};
}

Answer<std::optional<varlink::Reply>> Client::receive(Clock::time_point until) {
  std::array<char, 65536> buffer;
  while (true) {
    if (const auto message = reader_.next()) {
      auto reply = varlink::parse_reply(*message);
      if (!reply) {
        return Failure{Trouble::malformed,
                       "the daemon's reply cannot be understood: " + reply.error().message,
                       "is it dixisd that listens on " + path_.string() +
                           "? compare the versions with `dixisctl version`"};
      }
      if (reply->error) return failure_of(*reply);
      return std::optional<varlink::Reply>(std::move(*reply));
    }
    bool ready = false;
    const auto waited = wait(POLLIN, until, ready);
    if (!waited) return waited.error();
    if (!ready) return std::optional<varlink::Reply>();
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size <= 0) return closed();
    const auto fed = reader_.feed({buffer.data(), static_cast<std::size_t>(size)});
    if (!fed) {
      return Failure{Trouble::malformed, "the daemon's reply is too long: " + fed.error().message,
                     "ask for fewer apps at once"};
    }
  }
}

Answer<boost::json::object> Client::ask(std::string_view method, boost::json::object parameters) {
  return ask(method, std::move(parameters), Clock::now() + timeout_);
}

Answer<boost::json::object> Client::ask(std::string_view method, boost::json::object parameters,
                                        Clock::time_point deadline) {
  const auto sent = send({std::string(method), std::move(parameters), false, false}, deadline);
  if (!sent) return sent.error();
  auto reply = receive(deadline);
  if (!reply) return reply.error();
  if (!*reply) return no_answer(Trouble::no_answer, timeout_);
  return std::move((*reply)->parameters);
}

Failure Client::closed() const {
  return {Trouble::closed,
          reader_.partial() ? "the daemon hung up in the middle of a reply"
                            : "the daemon hung up without an answer",
          "it ended or refused the connection: look at what dixisd wrote, on its terminal or in "
          "its journal"};
}

Failure Client::no_answer(Trouble trouble, milliseconds waited) const {
  const std::string who =
      daemon_ > 0 ? "the daemon (pid " + std::to_string(daemon_) + ")" : "the daemon";
  std::string message;
  switch (trouble) {
    case Trouble::silent_stream:
      message = who + " has given no sign of life for " + duration_words(waited);
      break;
    case Trouble::verb_overdue:
      message = who + " answers, but the verb has not ended by its own deadline, " +
                duration_words(waited) + " ago";
      break;
    default:
      message = who + " took the call but did not answer within " + duration_words(waited);
  }
  const char state = daemon_ > 0 ? process_state(daemon_) : '\0';
  const std::string pid = std::to_string(daemon_);
  if (state == 'T' || state == 't') {
    return {trouble, message + ": it is stopped by a signal or a debugger",
            "let it go on with `kill -CONT " + pid + "`"};
  }
  if (state == 'D') {
    return {trouble, message + ": it waits in the kernel, for a disk most likely",
            "look at `dmesg` and at the disks"};
  }
  return {trouble, message,
          "look at what dixisd wrote, on its terminal or in its journal; apps run on without it"};
}

}  // namespace dixis::ctl
