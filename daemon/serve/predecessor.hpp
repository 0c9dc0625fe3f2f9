#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "daemon/sys/kernel_log.hpp"

namespace dixis {

/// How the dixisd before this one ended, for people; nullopt: as it should have, or there was none.
/// `lock_text` is what it left in RUNTIME/lock (RuntimeLock::found); `service_end` is what systemd
/// said of it: "RESULT CODE STATUS", the variables of ExecStopPost= (systemd.exec(5)), or empty;
/// `oom` is what the kernel says of its end.
std::optional<std::string> explain_predecessor(const std::string& lock_text,
                                               const std::string& service_end,
                                               const std::optional<OomKill>& oom);

/// The same, of what is found: RUNTIME/last-end, which the unit's ExecStopPost= wrote and which
/// goes, and the kernel's log. Blocks: before the loop.
std::optional<std::string> how_predecessor_ended(const std::filesystem::path& runtime_directory,
                                                 const std::string& lock_text);

}  // namespace dixis
