#pragma once

#include "daemon/run/event_log.hpp"

namespace dixis {

/// Makes spdlog never wait for whoever reads the log, and returns where lines of events go.
/// Lines go to stderr; while nobody reads a full pipe or terminal, they are dropped, counted, and
/// the count is told later. Where stderr is the journal, entries go to the journal's own socket
/// with their level, those of events with fields (event_fields.hpp); what that has no room for goes
/// to stderr.
EventLog start_logging();

}  // namespace dixis
