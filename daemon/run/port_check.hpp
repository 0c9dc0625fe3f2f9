#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "daemon/model/spec.hpp"
#include "daemon/sys/listener.hpp"
#include "daemon/sys/process_table.hpp"

namespace dixis {

/// "127.0.0.1:3000" or "[::]:3000".
std::string to_text(const Listener& listener);

/// Whether a program that is told `address` would collide with `listener`, or be shadowed by it.
bool concerns(const Listener& listener, const ListenAddress& address);

/// Whether `app` could bind its port now, as it will: for each address that its host stands for.
/// What `own` holds counts as free. The error names who holds it: pid, command, user, directory, or
/// that nobody visible does. Blocks: workers only.
Result<void> check_port(const std::string& app, const ListenAddress& address,
                        const std::optional<TreeKey>& own);

/// After a stop: nothing listens on the app's port any more. The error names who does. Workers
/// only.
Result<void> check_port_released(const std::string& app, const ListenAddress& address);

/// Who holds a listener, in words: "nginx: master process (pid 12, user root, in /)". Workers only.
std::string holder_text(const Listener& listener);

}  // namespace dixis
