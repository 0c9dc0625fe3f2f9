#include "daemon/sys/listener.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/fd.hpp"
#include "daemon/sys/proc_files.hpp"

namespace dixis {
namespace {

constexpr unsigned kListen = 10;  // TCP_LISTEN of the kernel's tcp_states.h
constexpr int kDumpAttempts = 3;

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

/// "127.0.0.1", "::1"; an IPv4-mapped address as the IPv4 address that it stands for.
std::string format_address(int family, const std::uint32_t* words) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* address = words;
  if (family == AF_INET6 && words[0] == 0 && words[1] == 0 && words[2] == htonl(0xFFFFU)) {
    family = AF_INET;
    address = words + 3;
  }
  ::inet_ntop(family, address, text.data(), text.size());
  return text.data();
}

/// Whether the attributes behind a message say IPV6_V6ONLY (the kernel tells it of each listener).
bool says_v6only(const char* data, std::size_t size) {
  while (size >= sizeof(nlattr)) {
    nlattr attribute{};
    std::memcpy(&attribute, data, sizeof attribute);
    if (attribute.nla_len < sizeof attribute || attribute.nla_len > size) return false;
    if (attribute.nla_type == INET_DIAG_SKV6ONLY && attribute.nla_len > NLA_HDRLEN) {
      return data[NLA_HDRLEN] != 0;
    }
    const std::size_t step = std::min<std::size_t>(NLA_ALIGN(attribute.nla_len), size);
    data += step;
    size -= step;
  }
  return false;
}

Listener to_listener(const inet_diag_msg& message) {
  Listener listener;
  listener.address = format_address(message.idiag_family, message.id.idiag_src);
  listener.ipv6 = message.idiag_family == AF_INET6;
  listener.port = ntohs(message.id.idiag_sport);
  listener.inode = message.idiag_inode;
  listener.uid = message.idiag_uid;
  return listener;
}

/// What one datagram of a dump said.
struct Part {
  int error = 0;
  bool last = false;
  bool interrupted = false;  ///< the table changed under the dump: it may lack entries
};

Part read_part(const char* data, std::size_t size, std::vector<Listener>& out) {
  Part part;
  while (size >= sizeof(nlmsghdr)) {
    nlmsghdr header{};
    std::memcpy(&header, data, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > size) break;
    part.interrupted |= (header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    const char* body = data + NLMSG_HDRLEN;
    const std::size_t body_size = header.nlmsg_len - NLMSG_HDRLEN;
    if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) {
      part.last = true;
      int error = 0;
      if (body_size >= sizeof error) std::memcpy(&error, body, sizeof error);
      part.error = -error;
      return part;
    }
    if (header.nlmsg_type == SOCK_DIAG_BY_FAMILY && body_size >= sizeof(inet_diag_msg)) {
      inet_diag_msg message{};
      std::memcpy(&message, body, sizeof message);
      Listener listener = to_listener(message);
      const std::size_t attributes = NLMSG_ALIGN(sizeof message);
      if (listener.ipv6 && body_size > attributes) {
        listener.v6only = says_v6only(body + attributes, body_size - attributes);
      }
      out.push_back(std::move(listener));
    }
    const std::size_t step = std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), size);
    data += step;
    size -= step;
  }
  return part;
}

int send_request(int netlink, int family) {
  Request request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = static_cast<std::uint8_t>(family);
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = 1U << kListen;
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  const auto sent = ::sendto(netlink, &request, sizeof request, 0,
                             reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
  return sent < 0 ? errno : 0;
}

/// Dumps one family. 0, an errno, or EAGAIN if the table changed meanwhile.
int dump_once(int family, std::vector<Listener>& out) {
  const UniqueFd netlink(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) return errno;
  if (const int error = send_request(netlink.get(), family)) return error;
  std::vector<char> buffer(64U << 10U);
  bool interrupted = false;
  for (;;) {
    // The kernel fills the first part while it takes the request and the next ones as we read.
    const auto got = ::recv(netlink.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno == EAGAIN ? EPROTO : errno;
    const Part part = read_part(buffer.data(), static_cast<std::size_t>(got), out);
    interrupted |= part.interrupted;
    if (part.last && part.error != 0) return part.error;
    if (part.last) return interrupted ? EAGAIN : 0;
  }
}

int dump(int family, std::vector<Listener>& out) {
  const std::size_t before = out.size();
  int error = EAGAIN;
  for (int attempt = 0; attempt < kDumpAttempts && error == EAGAIN; ++attempt) {
    out.resize(before);
    error = dump_once(family, out);
  }
  return error == EAGAIN ? 0 : error;  // a busy machine: what was seen is better than nothing
}

bool holds_socket(pid_t pid, std::string_view wanted) {
  const std::string directory = "/proc/" + std::to_string(pid) + "/fd";
  bool found = false;
  proc::for_each_number(directory.c_str(), [&](int fd) {
    if (found) return;
    std::array<char, 64> target{};
    const auto length =
        ::readlink((directory + "/" + std::to_string(fd)).c_str(), target.data(), target.size());
    found =
        length > 0 && std::string_view(target.data(), static_cast<std::size_t>(length)) == wanted;
  });
  return found;
}

bool is_numeric(const std::string& address) {
  in6_addr ignored{};
  return ::inet_pton(AF_INET, address.c_str(), &ignored) == 1 ||
         ::inet_pton(AF_INET6, address.c_str(), &ignored) == 1;
}

int bind_socket(int family, const sockaddr* address, socklen_t size) {
  const UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return errno;
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return ::bind(socket.get(), address, size) == 0 ? 0 : errno;
}

}  // namespace

Result<std::vector<Listener>> tcp_listeners() {
  std::vector<Listener> found;
  const int v4 = dump(AF_INET, found);
  if (v4 != 0) return errno_error("cannot ask the kernel for listening sockets (sock_diag)", v4);
  const int v6 = dump(AF_INET6, found);
  // A kernel without IPv6 knows no such family: then there is no such listener.
  if (v6 != 0 && v6 != ENOENT && v6 != EAFNOSUPPORT) {
    return errno_error("cannot ask the kernel for listening IPv6 sockets (sock_diag)", v6);
  }
  return found;
}

std::vector<pid_t> socket_holders(std::uint64_t inode, const std::vector<pid_t>& candidates) {
  const std::string wanted = "socket:[" + std::to_string(inode) + "]";
  std::vector<pid_t> holders;
  for (const pid_t pid : candidates) {
    if (holds_socket(pid, wanted)) holders.push_back(pid);
  }
  return holders;
}

std::vector<std::string> bind_candidates(const std::string& host) {
  if (host.empty() || host == "::") return {"::", "0.0.0.0"};
  if (host == "localhost") return {"127.0.0.1", "::1"};
  if (is_numeric(host)) return {host};
  return {};
}

int try_bind(const std::string& address, std::uint16_t port) {
  sockaddr_in v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return bind_socket(AF_INET, reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    return bind_socket(AF_INET6, reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  }
  return EINVAL;
}

}  // namespace dixis
