#pragma once

#include <cstdint>
#include <string>
#include <sys/socket.h>
#include <sys/types.h>
#include <vector>

#include "common/result.hpp"
#include "daemon/sys/fd.hpp"

/// Sockets that the daemon holds for apps, and hands to one generation after the other.
namespace dixis {

/// Where a socket is bound. A wildcard is IPv6 that takes IPv4, too, or IPv4 on a machine without.
struct SocketAddress {
  std::string host{};  ///< a number; empty: every address
  std::uint16_t port = 0;
  std::string path{};  ///< of a Unix socket; then the others mean nothing
  bool operator==(const SocketAddress&) const = default;
};

/// Binds and doesn't listen. TCP: SO_REUSEADDR, and SO_REUSEPORT so that several of the daemon's
/// own user can share the address. Unix: what lies at the path is replaced if nobody listens there;
/// mode 0666 (who may connect, the directory says). The error is an errno's.
Result<UniqueFd> bind_socket(const SocketAddress& address);

/// Connections are taken into the queue from now on; again after `stop_listening`.
Result<void> start_listening(int socket);
/// TCP: connections are refused from now on, and the address stays ours. Unix: the same, for good.
void stop_listening(int socket);

/// The inode of the other end of our TCP connection, once somebody on this machine has taken it
/// from its queue; 0 until then (sock_diag(7)).
std::uint64_t accepted_inode(int socket);

std::uint64_t socket_inode(int socket);

/// The sockets listening on `address` that a process holds, duplicated into this one
/// (pidfd_getfd(2)): what a predecessor of this daemon gave it. Empty where that isn't allowed.
std::vector<UniqueFd> listening_sockets_of(pid_t pid, const SocketAddress& address);

}  // namespace dixis
