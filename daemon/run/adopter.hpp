#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include <boost/asio.hpp>

#include "common/result.hpp"
#include "daemon/model/held_address.hpp"
#include "daemon/run/notifier.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

/// Where the sockets between the daemon and the adopter of one generation lie.
struct AdopterFiles {
  std::filesystem::path control{};  ///< the daemon listens, the adopter connects
  std::filesystem::path proof{};    ///< the generation alone answers there
};
AdopterFiles adopter_files(const std::filesystem::path& runtime, const std::string& app,
                           std::uint32_t instance, std::uint64_t generation);

/// dixis-listen.cjs of this installation or build tree, absolute.
std::filesystem::path adopter_program();

/// What an adopter has said of itself.
struct AdopterState {
  bool present = false;   ///< a Node program of the generation has it
  bool adopted = false;   ///< a server of it answers at the proof socket
  bool joined = false;    ///< takes connections from the held socket
  bool left = false;      ///< takes no further ones
  std::int64_t open = 0;  ///< connections that it has taken and that are still open
  std::string failure{};  ///< why it can't take the socket; empty: nothing is wrong
};

/// The daemon's end of the channel to the adopter (daemon/preload) of one generation: one JSON
/// object a line, each way; see daemon/preload/README.md. It survives a change of daemons: the next
/// one listens at the same path, and the adopter connects again. Loop's thread.
class Adopter {
 public:
  /// Tells whether a process belongs to the generation: only such a one is listened to.
  using Belongs = std::function<Task<bool>(pid_t process)>;

  /// Listens at `files.control` for processes of `uid`. What lies there is replaced.
  static Result<std::unique_ptr<Adopter>> open(boost::asio::io_context& loop, AdopterFiles files,
                                               uid_t uid, gid_t gid, Belongs belongs);
  /// A listening socket at `files.proof`, for the generation; only the daemon's user may connect.
  static Result<UniqueFd> make_proof_socket(const AdopterFiles& files);

  /// Closes the channel and removes both files.
  virtual ~Adopter() = default;

  virtual const AdopterState& state() const = 0;
  /// Notified when the state has changed.
  virtual Notifier& changed() = 0;
  /// Asks it to take connections from the held socket. Told again to one that connects later.
  virtual void join() = 0;
  /// Asks it to leave the held socket and to let go of its connections as they end.
  virtual void drain() = 0;
};

}  // namespace dixis
