#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/sys/fd.hpp"
#include "daemon/sys/systemd/passed_descriptors.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

class ServiceManager;

/// Keeps descriptors that shall outlive this process: pipes of apps, sockets. It holds a copy of
/// each, which an upgrade hands to the next image; where systemd has an fd store for us, a copy
/// lies there, too, and comes back after a crash or a restart of the daemon. The store has limits
/// (512 in all, of which pipes get 384): what is over them is only handed over by an upgrade.
///
/// A key says what a descriptor is: "listen/127.0.0.1:3000", "out/web/0/17". In the store its name
/// has 8 bytes, made of the key: PID 1 carries all names in one argument of each start.
///
/// Loop's thread.
class Keeper {
 public:
  /// From now on copies go to systemd. The manager outlives the keeper.
  void use_store(ServiceManager& manager) { manager_ = &manager; }

  /// What a predecessor kept. `stored`: it lies in systemd's store.
  void inherit(std::vector<NamedFd> kept, bool stored);

  /// Keeps a copy of `fd` under the key, in place of what was kept there.
  void put(const std::string& key, int fd);

  /// A copy of what is kept; invalid if there is none. What a predecessor kept and nobody asked for
  /// goes with drop_unclaimed().
  UniqueFd find(const std::string& key);

  /// Lets go of it. No error if there is none.
  void forget(const std::string& key);

  void drop_unclaimed();

  /// Returns when systemd holds all that was put until now: at once where nothing was, or there is
  /// no store; after `limit` at the latest.
  Task<void> stored(std::chrono::milliseconds limit = std::chrono::seconds(1));

  struct Kept {
    std::string name{};
    int fd = -1;  ///< borrowed
    bool stored = false;
  };
  /// All of it, for a hand-over.
  std::vector<Kept> all() const;

  /// Whether a name can be one of a keeper's.
  static bool is_name(std::string_view name);
  static std::string name_of(const std::string& key);

 private:
  struct Entry {
    std::string key{};  ///< empty: nobody has asked for it
    UniqueFd fd{};
    bool pipe = false;
    bool stored = false;
  };
  bool has_room(bool pipe) const;
  void drop(const std::string& name);

  ServiceManager* manager_ = nullptr;
  std::map<std::string, Entry> entries_{};
  std::size_t stored_ = 0;
  std::size_t stored_pipes_ = 0;
  bool told_ = false;  ///< systemd, since the last stored()
};

}  // namespace dixis
