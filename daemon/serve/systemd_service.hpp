#pragma once

#include "daemon/run/supervisor.hpp"
#include "daemon/sys/systemd/service_bus.hpp"
#include "daemon/sys/systemd/service_manager.hpp"

/// The daemon as a service of systemd. Loop's thread.
namespace dixis {

/// WATCHDOG=1 from the loop itself, at half the period that was asked for: a loop that doesn't turn
/// any more is noticed. Ends at once where nobody asks for it.
Task<void> feed_watchdog(ServiceManager& manager);

/// STATUS= with what is supervised, after each change, at most once a second. Never ends.
Task<void> report_status(ServiceManager& manager, Supervisor& supervisor);

/// While apps are being stopped: more time, again and again (EXTEND_TIMEOUT_USEC=, sd_notify(3)).
/// Never ends.
Task<void> ask_for_time(ServiceManager& manager);

/// Whether SIGTERM means that the apps shall end, too: systemd sends the same for stop and restart,
/// only the job tells which (DESIGN §6). Without an answer within 1 s they run on.
Task<bool> apps_shall_stop(ServiceBus* bus);

/// The control socket goes with the service: else the next client would start everything again.
/// systemd makes and removes it; the stop is queued, not awaited. At most 1 s.
Task<void> stop_control_socket(ServiceBus* bus);

}  // namespace dixis
