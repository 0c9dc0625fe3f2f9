#include "daemon/serve/peer.hpp"

#include <algorithm>
#include <array>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "daemon/sys/fd.hpp"

using namespace dixis;

namespace {

Peer somebody(uid_t uid, std::vector<gid_t> groups) {
  return {1, uid, std::move(groups)};
}

}  // namespace

TEST_CASE("peer: the kernel says who is at the other end") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  const UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  const auto peer = peer_of(ours.get());
  REQUIRE(peer.has_value());
  CHECK(peer->pid == ::getpid());
  CHECK(peer->uid == ::geteuid());
  CHECK(std::count(peer->groups.begin(), peer->groups.end(), ::getegid()) >= 1);
}

TEST_CASE("peer: what isn't a socket is an error") {
  CHECK(peer_of(-1).has_error());
}

TEST_CASE("peer: roles") {
  AccessIds access;
  access.operator_users = {1000};
  access.operator_groups = {50};
  access.viewer_users = {1000, 2000};
  access.viewer_groups = {60};
  constexpr uid_t kDaemon = 900;
  CHECK(role_of(somebody(0, {}), {}, kDaemon) == Role::owner);
  CHECK(role_of(somebody(kDaemon, {}), {}, kDaemon) == Role::owner);
  CHECK(role_of(somebody(1000, {60}), access, kDaemon) == Role::operator_);
  CHECK(role_of(somebody(3000, {7, 50}), access, kDaemon) == Role::operator_);
  CHECK(role_of(somebody(2000, {}), access, kDaemon) == Role::viewer);
  CHECK(role_of(somebody(3000, {60}), access, kDaemon) == Role::viewer);
  CHECK(role_of(somebody(3000, {7}), access, kDaemon) == Role::none);
  CHECK(role_of(somebody(3000, {0}), access, kDaemon) == Role::none);
}

TEST_CASE("peer: each role may do what those below it may") {
  const auto all = {Permission::viewer, Permission::operator_, Permission::owner};
  for (const auto permission : all) {
    CHECK_FALSE(may(Role::none, permission));
    CHECK(may(Role::owner, permission));
  }
  CHECK(may(Role::viewer, Permission::viewer));
  CHECK_FALSE(may(Role::viewer, Permission::operator_));
  CHECK(may(Role::operator_, Permission::operator_));
  CHECK_FALSE(may(Role::operator_, Permission::owner));
}

TEST_CASE("peer: names become ids, and unknown ones are told") {
  Access access;
  access.operator_groups = {"root", "no-such-group"};
  access.operator_users = {"no-such-user"};
  access.viewer_users = {"root"};
  const AccessIds ids = resolve_access(access);
  CHECK(ids.operator_groups == std::set<gid_t>{0});
  CHECK(ids.viewer_users == std::set<uid_t>{0});
  CHECK(ids.operator_users.empty());
  CHECK(ids.unknown == std::vector<std::string>{"user no-such-user", "group no-such-group"});
}
