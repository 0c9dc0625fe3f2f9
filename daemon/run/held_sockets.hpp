#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

#include "common/result.hpp"
#include "daemon/model/spec.hpp"
#include "daemon/run/throttle.hpp"
#include "daemon/sys/fd.hpp"
#include "daemon/sys/keeper.hpp"
#include "daemon/sys/port_balancer.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// The sockets that `listen` names, held for as long as the app is configured: what is bound here
/// outlives each generation, and connections wait in its queue. A TCP socket for each instance
/// (they share the address by SO_REUSEPORT), one Unix socket for all of them. Lives on the loop's
/// thread; what touches files is done by the slow worker.
class HeldSockets {
 public:
  HeldSockets(Worker& slow_worker, Keeper& keeper) : slow_worker_(slow_worker), keeper_(keeper) {}

  /// Binds what isn't held yet. Nothing that is held is touched.
  Task<Result<void>> hold(AppSpec spec);
  /// Takes over what a predecessor of this daemon kept for its successor.
  void claim(const AppSpec& spec);
  /// Takes the sockets of a slot from a process that a predecessor of this daemon gave them to,
  /// where none was kept.
  void take_back(const AppSpec& spec, std::uint32_t slot, pid_t process);

  /// The slot's descriptors, in the order of `listen`; borrowed. -1 where one isn't held.
  std::vector<int> of(const AppSpec& spec, std::uint32_t slot) const;
  /// Connections to the slot wait from now on.
  Result<void> open(const AppSpec& spec, std::uint32_t slot);
  /// TCP connections to the slot are refused from now on; the address stays bound.
  void close(const AppSpec& spec, std::uint32_t slot);

  /// Whether new connections shall go to the slot, where others share its address: to the live ones
  /// in turn.
  void set_live(const AppSpec& spec, std::uint32_t slot, bool live);
  /// Nothing of the slot runs: what waits in its queues goes to slots that are live.
  void requeue(const AppSpec& spec, std::uint32_t slot);

  /// Lets go of what `spec` doesn't name any more.
  Task<void> keep_only(AppSpec spec);
  /// Lets go of all that is held for an app.
  Task<void> release(std::string app);

 private:
  struct Held {
    HeldAddress address{};
    std::vector<UniqueFd> slots{};
    std::set<std::uint32_t> live{};
    std::optional<PortBalancer> balancer{};  ///< only where several slots share a TCP address
  };
  static void balance(Held& held);
  void let_go(const std::string& app, Held& held, std::size_t count);
  std::size_t index_of(const Held& held, std::uint32_t slot) const;
  Held& held_for(const std::string& app, const HeldAddress& address);
  Task<void> remove_files(std::vector<std::string> paths);

  Worker& slow_worker_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  Keeper& keeper_;       // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  Throttle turns_{1};
  std::map<std::string, std::vector<Held>> apps_;
};

/// What LISTEN_FDNAMES calls them: "tcp-3000:unix-shop.sock".
std::string names_of(const std::vector<HeldAddress>& held);

}  // namespace dixis
