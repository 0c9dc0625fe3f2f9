#pragma once

#include <set>
#include <sys/types.h>
#include <vector>

#include "common/result.hpp"
#include "common/verbs.hpp"
#include "daemon/model/spec.hpp"

/// Who is at the other end, and what they may do.
namespace dixis {

/// The process that connected, as the kernel recorded it then (SO_PEERCRED, SO_PEERGROUPS).
struct Peer {
  pid_t pid = -1;
  uid_t uid = static_cast<uid_t>(-1);
  std::vector<gid_t> groups{};  ///< primary and supplementary
};

/// Asks the kernel about a connected AF_UNIX socket.
Result<Peer> peer_of(int socket);

/// Access with its names looked up.
struct AccessIds {
  std::set<uid_t> operator_users{};
  std::set<gid_t> operator_groups{};
  std::set<uid_t> viewer_users{};
  std::set<gid_t> viewer_groups{};
  std::vector<std::string> unknown{};  ///< names that this machine doesn't know: "group dixis"
};

/// Looks the names up. Asks NSS, so it may block: for a worker.
AccessIds resolve_access(const Access& access);

/// From least to most; each may do what those before it may.
enum class Role { none, viewer, operator_, owner };

/// Root and the daemon's own uid.
bool is_owner(uid_t uid, uid_t daemon_uid);
Role role_of(const Peer& peer, const AccessIds& access, uid_t daemon_uid);
bool may(Role role, Permission permission);

}  // namespace dixis
