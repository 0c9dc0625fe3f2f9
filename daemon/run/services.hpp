#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <random>
#include <string>

#include <boost/asio.hpp>

#include "daemon/logs/capture.hpp"
#include "daemon/run/build/build_watch.hpp"
#include "daemon/run/death_archive.hpp"
#include "daemon/run/desired_state.hpp"
#include "daemon/run/event_bus.hpp"
#include "daemon/run/listener_watch.hpp"
#include "daemon/run/throttle.hpp"
#include "daemon/run/tree_scanner.hpp"
#include "daemon/run/turnstile.hpp"
#include "daemon/run/witness.hpp"
#include "daemon/sys/oom_watch.hpp"
#include "daemon/sys/reaper.hpp"
#include "daemon/sys/systemd/service_bus.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

struct Directories;
class Instance;

/// What all instances share. Made once by the supervisor, outlives them, loop's thread only.
struct Services {
  Services(boost::asio::io_context& context, const Directories& where);

  boost::asio::io_context& loop;
  std::filesystem::path runtime_directory;
  std::string boot;  ///< the kernel's id of this boot

  // Three workers of the design, and one for /proc, so that a hung file of an app delays no stop.
  Worker state_worker{"dixis-state"};
  Worker log_worker{"dixis-logs"};
  Worker slow_worker{"dixis-slow"};
  Worker proc_worker{"dixis-proc"};

  Reaper reaper;
  EventBus events{};
  DesiredState desired;
  DeathArchive deaths;
  Capture capture;
  ListenerWatch listeners;
  TreeScanner trees;
  Witness witness;  ///< what the kernel tells of ends
  OomWatch oom;
  BuildWatch builds;
  ServiceBus* bus = nullptr;  ///< systemd, which gives each generation a scope; null: there is none
  std::uint64_t next_key = 1;  ///< for what needs a name of its own
  Throttle launches{4};
  Turnstile turns;
  /// Restarts a slot because of what is on disk, in its turn among the verbs.
  std::function<void(const std::shared_ptr<Instance>&, const std::string& why)> restart_for_build{};
  /// The same, because it holds too much memory.
  std::function<void(const std::shared_ptr<Instance>&, const std::string& why)>
      restart_for_memory{};
  std::mt19937_64 random{std::random_device{}()};
};

}  // namespace dixis
