#pragma once

#include <memory>
#include <vector>

#include "common/logs/view.hpp"
#include "common/result.hpp"
#include "daemon/run/supervisor.hpp"
#include "daemon/serve/call.hpp"

namespace dixis {

/// What a viewer of logs has asked for.
struct LogRequest {
  Supervisor::Targets targets{};
  std::optional<std::string> stream{};  ///< "out" or "err"
  std::optional<std::uint32_t> instance{};
  std::optional<LastLives> lives{};              ///< only these generations
  std::map<std::string, logs::Position> from{};  ///< by file
  std::optional<std::string> grep{};             ///< a regular expression
  logs::Query query{};                           ///< without its logs and its pattern
  bool follow = false;
};

/// Sends what was asked for, and with `follow` what is written from then on, until the client is
/// gone (operation_aborted). Files are read on the worker of LogReading alone. An error: the
/// expression is none, or the disk doesn't answer.
Task<Result<void>> show_logs(Supervisor& supervisor, ReplyStream stream, LogRequest request);

}  // namespace dixis
