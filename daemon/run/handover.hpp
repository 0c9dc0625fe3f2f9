#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe.hpp>
#include <boost/json.hpp>

#include "common/result.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

/// A descriptor that is kept for apps (sys/keeper.hpp).
struct HandedDescriptor {
  std::string name{};
  int fd = -1;
  bool stored = false;  ///< it lies in systemd's store, too
};
BOOST_DESCRIBE_STRUCT(HandedDescriptor, (), (name, fd, stored))

/// What an image of dixisd gives to the one that takes its place at an upgrade: descriptors. All
/// else is in the runtime and state directories, as for a crash. DOCUMENTS.md has the schema.
struct Handover {
  std::string from{};           ///< version of the image that wrote it
  int image = -1;               ///< its program, to go back to
  int lock = -1;                ///< RUNTIME/lock
  int control = -1;             ///< the listening control socket
  bool control_is_ours = true;  ///< bound by dixisd, not by systemd
  int client = -1;              ///< who asked for the upgrade and waits for its reply; -1: nobody
  std::vector<HandedDescriptor> kept{};

  boost::json::object unknown{};  ///< fields of another version, kept on rewriting
};
BOOST_DESCRIBE_STRUCT(Handover, (), (from, image, lock, control, control_is_ours, client))

std::string handover_text(const Handover& handover);

struct LoadedHandover {
  Handover handover{};
  std::vector<std::string> reports{};  ///< a line for each part that is damaged
};
/// An error: it can't be understood at all.
Result<LoadedHandover> parse_handover(std::string_view text);

/// A descriptor that holds the text, to be read from its beginning.
Result<UniqueFd> write_handover(const Handover& handover);
Result<LoadedHandover> read_handover(int fd);

/// Every descriptor that it names.
std::vector<int> descriptors_of(const Handover& handover);

}  // namespace dixis
