#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/logs/view.hpp"
#include "ctl/context.hpp"

namespace dixis::ctl {

/// Where a reader of logs gets what was read, chunk by chunk; false: it wants no more.
using TakeLogs = std::function<bool(const LogsReply& reply)>;

/// Reads the files of logs without a daemon, as the command line asks: those that the last daemon
/// on this socket named beside it, or what lies in the usual directory. The failure is `no_daemon`
/// itself, with why that didn't help, where nothing could be read; or that there is no such app.
Answer<void> read_logs_offline(const Context& context, const Failure& no_daemon,
                               const TakeLogs& take);

}  // namespace dixis::ctl
