// Users and groups from the name services (declared in app_files.hpp).
#include <cerrno>
#include <charconv>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>
#include <vector>

#include "daemon/sys/app_files.hpp"

namespace dixis {
namespace {

constexpr std::size_t kMaxEntry = 1U << 20U;

/// A whole decimal number, or nothing.
std::optional<std::uint32_t> as_number(const std::string& text) {
  std::uint32_t number = 0;
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (text.empty() || parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return number;
}

/// Calls one of the get…_r functions with a buffer that grows until the entry fits. 0 with `found`
/// false: there is no such entry; else an errno.
template <class Entry, class Call>
int look_up(Call call, Entry& entry, std::vector<char>& buffer, bool& found) {
  for (buffer.resize(4096);; buffer.resize(buffer.size() * 2)) {
    Entry* result = nullptr;
    const int error = call(&entry, buffer.data(), buffer.size(), &result);
    if (error == ERANGE && buffer.size() < kMaxEntry) continue;
    found = result != nullptr;
    // Name services say "no such entry" in several ways; see getpwnam_r(3).
    const bool absent = error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
    return found || absent ? 0 : error;
  }
}

struct User {
  uid_t uid = 0;
  std::optional<gid_t> gid{};
  std::string name{};
  std::string home = "/";
  std::string shell = "/bin/sh";
};

User from_entry(const passwd& entry) {
  User user;
  user.uid = entry.pw_uid;
  user.gid = entry.pw_gid;
  user.name = entry.pw_name;
  if (entry.pw_dir != nullptr && *entry.pw_dir != '\0') user.home = entry.pw_dir;
  if (entry.pw_shell != nullptr && *entry.pw_shell != '\0') user.shell = entry.pw_shell;
  return user;
}

/// A user by number. One without an entry is a user all the same, with no group of its own.
Result<User> user_by_id(uid_t uid) {
  passwd entry{};
  std::vector<char> buffer;
  bool found = false;
  const int error = look_up([uid](passwd* e, char* b, std::size_t n,
                                  passwd** r) { return ::getpwuid_r(uid, e, b, n, r); },
                            entry, buffer, found);
  if (error != 0) {
    return errno_error("cannot look up user " + std::to_string(uid), error,
                       "check the name services (/etc/nsswitch.conf)");
  }
  if (found) return from_entry(entry);
  User user;
  user.uid = uid;
  user.name = std::to_string(uid);
  return user;
}

Result<User> find_user(const std::string& name) {
  passwd entry{};
  std::vector<char> buffer;
  bool found = false;
  const int error = look_up([&name](passwd* e, char* b, std::size_t n,
                                    passwd** r) { return ::getpwnam_r(name.c_str(), e, b, n, r); },
                            entry, buffer, found);
  if (error != 0) {
    return errno_error("cannot look up user '" + name + "'", error,
                       "check the name services (/etc/nsswitch.conf)");
  }
  if (found) return from_entry(entry);
  if (const auto number = as_number(name)) return user_by_id(*number);
  return Error{"there is no user '" + name + "' on this machine",
               "create it (adduser " + name + "), or correct 'user'"};
}

Result<gid_t> find_group(const std::string& name) {
  group entry{};
  std::vector<char> buffer;
  bool found = false;
  const int error = look_up([&name](group* e, char* b, std::size_t n,
                                    group** r) { return ::getgrnam_r(name.c_str(), e, b, n, r); },
                            entry, buffer, found);
  if (error != 0) {
    return errno_error("cannot look up group '" + name + "'", error,
                       "check the name services (/etc/nsswitch.conf)");
  }
  if (found) return entry.gr_gid;
  if (const auto number = as_number(name)) return gid_t{*number};
  return Error{"there is no group '" + name + "' on this machine",
               "create it (addgroup " + name + "), or correct 'group'"};
}

std::vector<gid_t> groups_of(const std::string& user, gid_t gid) {
  std::vector<gid_t> groups(32);
  for (;;) {
    int count = static_cast<int>(groups.size());
    const bool fits = ::getgrouplist(user.c_str(), gid, groups.data(), &count) >= 0;
    const auto needed = static_cast<std::size_t>(count);
    if (fits || needed <= groups.size()) {
      groups.resize(needed);
      return groups;
    }
    groups.resize(needed);
  }
}

}  // namespace

Result<Credentials> look_up_credentials(const std::optional<std::string>& user,
                                        const std::optional<std::string>& group) {
  const auto found = user ? find_user(*user) : user_by_id(::geteuid());
  if (!found) return found.error();
  std::optional<gid_t> gid = found->gid;
  if (group) {
    const auto wanted = find_group(*group);
    if (!wanted) return wanted.error();
    gid = *wanted;
  }
  if (!gid && !user) gid = ::getegid();
  if (!gid) {
    return Error{
        "user " + found->name + " has no entry in the user database, so its group is unknown",
        "name its group with 'group'"};
  }
  return Credentials{found->uid,  *gid,        groups_of(found->name, *gid),
                     found->name, found->home, found->shell};
}

}  // namespace dixis
