#pragma once

#include <cstdint>
#include <vector>

#include "common/result.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

/// Chooses, for each new connection to an address that several sockets share (SO_REUSEPORT), the
/// one that gets it: in turn, among those that are live. A small BPF program in the kernel
/// (BPF_PROG_TYPE_SK_REUSEPORT); where the kernel or a container refuses it, the kernel spreads
/// connections by a hash over all. It stays with the sockets when the daemon dies; another one can
/// take its place at any time.
class PortBalancer {
 public:
  /// Attached to the group that `socket`, which listens, belongs to.
  static Result<PortBalancer> attach(int socket);

  /// Which socket has the place `slot`. It has to listen.
  Result<void> set_socket(std::uint32_t slot, int socket);
  /// The places that get connections; none: the kernel's hash decides.
  Result<void> set_live(const std::vector<std::uint32_t>& slots);

  /// As many places as there can be.
  static constexpr std::uint32_t kSlots = 1024;

 private:
  PortBalancer(UniqueFd sockets, UniqueFd turns)
      : sockets_(std::move(sockets)), turns_(std::move(turns)) {}

  UniqueFd sockets_;  ///< BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, by slot
  UniqueFd turns_;    ///< one `Turns` of port_balancer.cpp
};

}  // namespace dixis
