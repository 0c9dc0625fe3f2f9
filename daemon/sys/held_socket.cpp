#include "daemon/sys/held_socket.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <set>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/sys/pidfd.hpp"
#include "daemon/sys/proc_files.hpp"

namespace dixis {
namespace {

/// The kernel shortens it to net.core.somaxconn.
constexpr int kBacklog = 4096;

struct Name {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Name ipv4(const in_addr& address, std::uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr = address;
  Name out;
  std::memcpy(&out.storage, &name, sizeof name);
  out.size = sizeof name;
  return out;
}

Name ipv6(const in6_addr& address, std::uint16_t port) {
  sockaddr_in6 name{};
  name.sin6_family = AF_INET6;
  name.sin6_port = htons(port);
  name.sin6_addr = address;
  Name out;
  std::memcpy(&out.storage, &name, sizeof name);
  out.size = sizeof name;
  return out;
}

Name unix_name(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(), std::min(path.size(), sizeof name.sun_path - 1));
  Name out;
  std::memcpy(&out.storage, &name, sizeof name);
  out.size = sizeof name;
  return out;
}

/// 0 or the errno.
int bind_tcp(const Name& name, UniqueFd& out) {
  UniqueFd socket(::socket(name.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return errno;
  const int on = 1;
  const int off = 0;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (name.storage.ss_family == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (::bind(socket.get(), name.get(), name.size) != 0) return errno;
  out = std::move(socket);
  return 0;
}

/// A socket file whose process is gone refuses; nothing else may be removed.
void remove_stale(const Name& name, const std::string& path) {
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0 || !S_ISSOCK(facts.st_mode)) return;
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), name.get(), name.size) != 0 && errno == ECONNREFUSED) {
    ::unlink(path.c_str());
  }
}

Result<UniqueFd> bind_unix(const std::string& path, const std::string& what) {
  const Name name = unix_name(path);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return errno_error(what, errno);
  remove_stale(name, path);
  if (::bind(socket.get(), name.get(), name.size) != 0 || ::chmod(path.c_str(), 0666) != 0) {
    return errno_error(what, errno);
  }
  return socket;
}

std::string words_of(const SocketAddress& address) {
  if (!address.path.empty()) return "unix:" + address.path;
  const std::string host = address.host.empty() ? "::" : address.host;
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" +
         std::to_string(address.port);
}

bool is_listening(int socket) {
  int accepting = 0;
  socklen_t size = sizeof accepting;
  return ::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &size) == 0 && accepting != 0;
}

struct DiagRequest {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

void put_end(const Name& name, std::uint16_t& port, std::uint32_t* address) {
  if (name.storage.ss_family == AF_INET) {
    sockaddr_in end{};
    std::memcpy(&end, &name.storage, sizeof end);
    port = end.sin_port;
    std::memcpy(address, &end.sin_addr, sizeof end.sin_addr);
  } else {
    sockaddr_in6 end{};
    std::memcpy(&end, &name.storage, sizeof end);
    port = end.sin6_port;
    std::memcpy(address, &end.sin6_addr, sizeof end.sin6_addr);
  }
}

bool listens_on(int socket, const SocketAddress& address) {
  if (!is_listening(socket)) return false;
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return false;
  if (bound.ss_family == AF_UNIX) {
    sockaddr_un name{};
    std::memcpy(&name, &bound, sizeof name);
    return !address.path.empty() && address.path == name.sun_path;
  }
  if (!address.path.empty()) return false;
  std::array<char, INET6_ADDRSTRLEN> text{};
  std::uint16_t port = 0;
  if (bound.ss_family == AF_INET) {
    sockaddr_in name{};
    std::memcpy(&name, &bound, sizeof name);
    ::inet_ntop(AF_INET, &name.sin_addr, text.data(), text.size());
    port = ntohs(name.sin_port);
  } else {
    sockaddr_in6 name{};
    std::memcpy(&name, &bound, sizeof name);
    ::inet_ntop(AF_INET6, &name.sin6_addr, text.data(), text.size());
    port = ntohs(name.sin6_port);
  }
  const std::string host = text.data();
  const bool wildcard = host == "::" || host == "0.0.0.0";
  return port == address.port && (host == address.host || (wildcard && address.host.empty()));
}

}  // namespace

Result<UniqueFd> bind_socket(const SocketAddress& address) {
  const std::string what = "cannot bind " + words_of(address);
  if (!address.path.empty()) return bind_unix(address.path, what);
  in_addr v4{};
  in6_addr v6{};
  UniqueFd socket;
  int error = EINVAL;
  if (::inet_pton(AF_INET, address.host.c_str(), &v4) == 1) {
    error = bind_tcp(ipv4(v4, address.port), socket);
  } else if (::inet_pton(AF_INET6, address.host.c_str(), &v6) == 1) {
    error = bind_tcp(ipv6(v6, address.port), socket);
  } else if (address.host.empty()) {
    error = bind_tcp(ipv6(in6addr_any, address.port), socket);
    const bool no_ipv6 = error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
    if (no_ipv6) error = bind_tcp(ipv4({INADDR_ANY}, address.port), socket);
  }
  if (error != 0) return errno_error(what, error);
  return socket;
}

Result<void> start_listening(int socket) {
  if (::listen(socket, kBacklog) != 0) return errno_error("cannot listen", errno);
  return {};
}

void stop_listening(int socket) {
  // Only one that listens: another would keep the mark of a shut socket, and hand it to each
  // connection that it takes once it listens again.
  if (is_listening(socket)) ::shutdown(socket, SHUT_RDWR);
}

std::uint64_t accepted_inode(int socket) {
  Name own;
  Name peer;
  own.size = peer.size = sizeof own.storage;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&own.storage), &own.size) != 0 ||
      ::getpeername(socket, reinterpret_cast<sockaddr*>(&peer.storage), &peer.size) != 0) {
    return 0;
  }
  DiagRequest request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.body.sdiag_family = static_cast<std::uint8_t>(own.storage.ss_family);
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = ~0U;
  // The other end's view: its source is our peer.
  put_end(peer, request.body.id.idiag_sport, request.body.id.idiag_src);
  put_end(own, request.body.id.idiag_dport, request.body.id.idiag_dst);
  request.body.id.idiag_cookie[0] = request.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  const UniqueFd netlink(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (!netlink || ::sendto(netlink.get(), &request, sizeof request, 0,
                           reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0) {
    return 0;
  }
  std::array<char, 1024> answer{};
  const auto got = ::recv(netlink.get(), answer.data(), answer.size(), MSG_DONTWAIT);
  nlmsghdr header{};
  inet_diag_msg message{};
  if (got < static_cast<ssize_t>(NLMSG_HDRLEN + sizeof message)) return 0;
  std::memcpy(&header, answer.data(), sizeof header);
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return 0;
  std::memcpy(&message, answer.data() + NLMSG_HDRLEN, sizeof message);
  return message.idiag_inode;  // what waits in the queue belongs to no file yet
}

std::uint64_t socket_inode(int socket) {
  struct stat facts {};
  return ::fstat(socket, &facts) == 0 ? facts.st_ino : 0;
}

std::vector<UniqueFd> listening_sockets_of(pid_t pid, const SocketAddress& address) {
  std::vector<UniqueFd> out;
  std::set<std::uint64_t> seen;
  const UniqueFd process(pidfd::open(pid));
  if (!process) return out;
  const std::string directory = "/proc/" + std::to_string(pid) + "/fd";
  proc::for_each_number(directory.c_str(), [&](int number) {
    UniqueFd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0U)));
    if (!copy || !listens_on(copy.get(), address)) return;
    if (seen.insert(socket_inode(copy.get())).second) out.push_back(std::move(copy));
  });
  return out;
}

}  // namespace dixis
