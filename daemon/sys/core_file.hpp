#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>

namespace dixis {

/// Where the kernel puts the core of a process that ran in `cwd`, in words and no further than
/// core_pattern tells (core(5)): "in /var/crash/core.4711", "given to /usr/lib/systemd/…: see
/// `coredumpctl info 4711`". Pure.
std::string core_words(std::string_view core_pattern, bool uses_pid, pid_t pid,
                       const std::string& cwd);

/// The same, with this machine's core_pattern.
std::string core_words(pid_t pid, const std::string& cwd);

}  // namespace dixis
