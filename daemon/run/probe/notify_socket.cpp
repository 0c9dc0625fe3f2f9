#include "daemon/run/probe/notify_socket.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/sys/fd.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
constexpr std::size_t kDatagram = 4096;
constexpr int kBurst = 32;             // of one app, before others on the loop have their turn
constexpr int kMostDescriptors = 253;  // SCM_MAX_FD

/// Closes descriptors that came along: FDSTORE and BARRIER have no other meaning here.
void read_control(msghdr& header, Notification& out) {
  for (auto* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET) continue;
    if (part->cmsg_type == SCM_CREDENTIALS) {
      ucred sender{};
      std::memcpy(&sender, CMSG_DATA(part), sizeof sender);
      out.sender = sender.pid;
      out.uid = sender.uid;
    } else if (part->cmsg_type == SCM_RIGHTS) {
      const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
        ::close(fd);
      }
    }
  }
}

void read_lines(std::string_view text, Notification& out) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    out.assignments[std::string(line.substr(0, equals))] = std::string(line.substr(equals + 1));
  }
}

/// One datagram; false: there is none.
bool receive(int socket, Notification& out) {
  std::array<char, kDatagram> buffer{};
  alignas(cmsghdr)
      std::array<char, CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(kMostDescriptors * sizeof(int))>
          control{};
  iovec part{buffer.data(), buffer.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const auto size = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0) return false;
  read_control(header, out);
  if ((header.msg_flags & MSG_TRUNC) != 0) return true;  // too long: nothing of it counts
  read_lines({buffer.data(), static_cast<std::size_t>(size)}, out);
  return true;
}

struct Shared {
  Shared(asio::io_context& loop, int number) : descriptor(loop, number), fd(number) {}
  asio::posix::stream_descriptor descriptor;
  int fd;
  std::function<void(const Notification&)> on_message{};
};

Task<void> listen(std::shared_ptr<Shared> shared) {
  while (shared->descriptor.is_open()) {
    const auto [error] = co_await shared->descriptor.async_wait(
        asio::posix::stream_descriptor::wait_read, asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    for (int taken = 0; taken < kBurst && shared->descriptor.is_open(); ++taken) {
      Notification said;
      if (!receive(shared->descriptor.native_handle(), said)) break;
      shared->on_message(said);
    }
    co_await asio::post(asio::use_awaitable);
  }
}

class BoundSocket : public NotifySocket {
 public:
  BoundSocket(std::shared_ptr<Shared> shared, fs::path file)
      : shared_(std::move(shared)), file_(std::move(file)) {}
  ~BoundSocket() override {
    shared_->on_message = [](const Notification&) {};
    boost::system::error_code ignored;
    shared_->descriptor.close(ignored);
    ::unlink(file_.c_str());
  }
  int descriptor() const override { return shared_->fd; }
  BoundSocket(const BoundSocket&) = delete;
  BoundSocket& operator=(const BoundSocket&) = delete;

 private:
  std::shared_ptr<Shared> shared_;
  fs::path file_;
};

Result<UniqueFd> bind_at(const fs::path& file, uid_t uid, gid_t gid) {
  const std::string what = "cannot make the notify socket " + file.string();
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (file.native().size() >= sizeof name.sun_path) return Error{what + ": its path is too long"};
  std::memcpy(name.sun_path, file.c_str(), file.native().size());
  if (::mkdir(file.parent_path().c_str(), 0755) != 0 && errno != EEXIST) {
    return errno_error(what, errno);
  }
  ::unlink(file.c_str());
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1;
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) != 0 ||
      ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      ::chmod(file.c_str(), 0600) != 0 ||
      ((uid != ::geteuid() || gid != ::getegid()) && ::chown(file.c_str(), uid, gid) != 0)) {
    return errno_error(what, errno);
  }
  return socket;
}

}  // namespace

Result<std::unique_ptr<NotifySocket>> NotifySocket::open(
    asio::io_context& loop, const fs::path& file, uid_t uid, gid_t gid,
    std::function<void(const Notification&)> on_message, UniqueFd kept) {
  auto socket = kept ? Result<UniqueFd>(std::move(kept)) : bind_at(file, uid, gid);
  if (!socket) return socket.error();
  const auto shared = std::make_shared<Shared>(loop, socket->release());
  shared->on_message = std::move(on_message);
  asio::co_spawn(loop, listen(shared), asio::detached);
  return std::unique_ptr<NotifySocket>(std::make_unique<BoundSocket>(shared, file));
}

fs::path notify_socket_file(const fs::path& runtime, const std::string& app, std::uint32_t instance,
                            std::uint64_t generation) {
  return runtime / "notify" /
         (app + "-" + std::to_string(instance) + "-" + std::to_string(generation));
}

}  // namespace dixis
