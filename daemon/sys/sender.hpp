#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <sys/types.h>

#include "common/model.hpp"

/// Who a process is, as long as /proc knows it: a few small files each, so the loop may ask.
namespace dixis {

/// What /proc/PID/status says of a task; nullopt fields are missing in the text.
struct TaskStatus {
  std::string name{};
  pid_t process = 0;  ///< the thread group's leader
  pid_t parent = 0;
  std::int64_t uid = 0;  ///< the real one
};
std::optional<TaskStatus> parse_task_status(std::string_view text);
std::optional<TaskStatus> read_task_status(pid_t task);

/// The process that `task` is a thread of, with its chain of parents up to init. Who is gone, or
/// began after `at_ms` (boot time) and so only has its number, is nullopt.
std::optional<Sender> find_sender(pid_t task, std::int64_t at_ms);

/// The session that a task belongs to; 0 if it is gone.
pid_t session_of(pid_t task);

}  // namespace dixis
