#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace dixis {

/// How the dixisd before this one ended, for people; nullopt: as it should have, or there was none.
/// `lock_text` is what it left in RUNTIME/lock (RuntimeLock::found); `service_end` is what systemd
/// said of it: "RESULT CODE STATUS", the variables of ExecStopPost= (systemd.exec(5)), or empty.
std::optional<std::string> explain_predecessor(const std::string& lock_text,
                                               const std::string& service_end);

/// What the unit's ExecStopPost= wrote to RUNTIME/last-end, and removes it. Blocks: before the
/// loop.
std::string take_service_end(const std::filesystem::path& runtime_directory);

}  // namespace dixis
