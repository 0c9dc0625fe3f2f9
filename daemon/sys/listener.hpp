#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "common/result.hpp"

namespace dixis {

/// A TCP socket in LISTEN, as sock_diag(7) tells.
struct Listener {
  std::string address{};  ///< "127.0.0.1", "::", …
  bool ipv6 = false;
  bool v6only = false;  ///< IPV6_V6ONLY: its "::" leaves IPv4 to others
  std::uint16_t port = 0;
  std::uint64_t inode = 0;
  uid_t uid = 0;
};

/// All TCP listeners of this network namespace, IPv4 and IPv6 (one netlink dump; doesn't block).
Result<std::vector<Listener>> tcp_listeners();

/// Which of `candidates` hold the socket with this inode, by /proc/PID/fd. Worker only.
std::vector<pid_t> socket_holders(std::uint64_t inode, const std::vector<pid_t>& candidates);

/// The addresses that a program which was told `host` binds, in order: "" and "::" give "::" and
/// "0.0.0.0"; "localhost" gives both loopbacks; a number itself. A name that is no number gives
/// nothing: no look-up is done.
std::vector<std::string> bind_candidates(const std::string& host);

/// Tries to bind as Node does (SO_REUSEADDR), and closes again. 0 or the errno. Never listens.
/// EADDRNOTAVAIL and EAFNOSUPPORT are told as they are.
int try_bind(const std::string& address, std::uint16_t port);

}  // namespace dixis
