#include "daemon/serve/peer.hpp"

#include <algorithm>
#include <cerrno>
#include <grp.h>
#include <optional>
#include <pwd.h>
#include <sys/socket.h>

namespace dixis {

namespace {

constexpr std::size_t kLargestNameRecord = std::size_t{1} << 20U;

/// Calls a getXXnam_r function with a buffer that is large enough.
template <class Record, class Function>
std::optional<Record> look_up(Function function, const std::string& name) {
  std::vector<char> buffer(4096);
  while (true) {
    Record record{};
    Record* found = nullptr;
    const int error = function(name.c_str(), &record, buffer.data(), buffer.size(), &found);
    if (error == ERANGE && buffer.size() < kLargestNameRecord) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    if (error == EINTR) continue;
    if (found == nullptr) return std::nullopt;
    return record;
  }
}

void add_groups(const std::vector<std::string>& names, std::set<gid_t>& ids,
                std::vector<std::string>& unknown) {
  for (const auto& name : names) {
    if (const auto record = look_up<::group>(::getgrnam_r, name)) {
      ids.insert(record->gr_gid);
    } else {
      unknown.push_back("group " + name);
    }
  }
}

void add_users(const std::vector<std::string>& names, std::set<uid_t>& ids,
               std::vector<std::string>& unknown) {
  for (const auto& name : names) {
    if (const auto record = look_up<::passwd>(::getpwnam_r, name)) {
      ids.insert(record->pw_uid);
    } else {
      unknown.push_back("user " + name);
    }
  }
}

bool in_any(const std::vector<gid_t>& groups, const std::set<gid_t>& of) {
  return std::any_of(groups.begin(), groups.end(), [&](gid_t id) { return of.contains(id); });
}

}  // namespace

Result<Peer> peer_of(int socket) {
  ::ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return errno_error("cannot ask who connected (SO_PEERCRED)", errno);
  }
  Peer peer{credentials.pid, credentials.uid, std::vector<gid_t>(64)};
  while (true) {
    size = static_cast<socklen_t>(peer.groups.size() * sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size) == 0) break;
    if (errno != ERANGE) return errno_error("cannot ask for groups (SO_PEERGROUPS)", errno);
    peer.groups.resize(size / sizeof(gid_t));
  }
  peer.groups.resize(size / sizeof(gid_t));
  peer.groups.push_back(credentials.gid);
  return peer;
}

AccessIds resolve_access(const Access& access) {
  AccessIds ids;
  add_users(access.operator_users, ids.operator_users, ids.unknown);
  add_groups(access.operator_groups, ids.operator_groups, ids.unknown);
  add_users(access.viewer_users, ids.viewer_users, ids.unknown);
  add_groups(access.viewer_groups, ids.viewer_groups, ids.unknown);
  return ids;
}

bool is_owner(uid_t uid, uid_t daemon_uid) {
  return uid == 0 || uid == daemon_uid;
}

Role role_of(const Peer& peer, const AccessIds& access, uid_t daemon_uid) {
  if (is_owner(peer.uid, daemon_uid)) return Role::owner;
  if (access.operator_users.contains(peer.uid) || in_any(peer.groups, access.operator_groups)) {
    return Role::operator_;
  }
  if (access.viewer_users.contains(peer.uid) || in_any(peer.groups, access.viewer_groups)) {
    return Role::viewer;
  }
  return Role::none;
}

bool may(Role role, Permission permission) {
  switch (permission) {
    case Permission::viewer:
      return role >= Role::viewer;
    case Permission::operator_:
      return role >= Role::operator_;
    case Permission::owner:
      return role == Role::owner;
  }
  return false;
}

}  // namespace dixis
