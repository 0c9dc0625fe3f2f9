#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/paths.hpp"
#include "common/result.hpp"
#include "daemon/run/succession.hpp"
#include "daemon/serve/control_socket.hpp"
#include "daemon/sys/fd.hpp"

/// What a daemon begins with beside its arguments, and how it takes over. Before the loop runs,
/// unless it says otherwise.
namespace dixis {

class Server;

/// What this process got from whoever started it, or from the image whose place it took.
struct Inheritance {
  std::vector<std::string> environment{};  ///< for an image that will take this one's place
  std::optional<Succession> succession{};
  UniqueFd control{};             ///< the control socket
  bool control_is_ours = false;   ///< a predecessor bound it, not systemd
  std::vector<NamedFd> stored{};  ///< kept by a predecessor, in systemd's store
};

/// To be called before anything else takes variables out of the environment.
Inheritance take_inheritance();

/// The predecessor's lock, which this process has held all the time; else a new one.
Result<RuntimeLock> take_lock(const std::filesystem::path& runtime, const Inheritance& inheritance);

/// The arguments of a daemon with these paths.
std::vector<std::string> arguments_of(const DefaultPaths& paths);

/// Whoever waits for the reply of an upgrade gets it from the image that serves. Loop's thread.
void answer_upgrade(Server& server, Succession& succession);

/// Whether this program could take over: it has come this far, understands the hand-over on stdin,
/// and accepts the configuration. What it answers then.
Result<std::string> probe_handover(const std::filesystem::path& config);

}  // namespace dixis
