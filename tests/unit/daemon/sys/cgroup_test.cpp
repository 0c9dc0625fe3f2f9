#include "daemon/sys/cgroup.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "daemon/sys/core_file.hpp"
#include "daemon/sys/sender.hpp"

using namespace dixis;

TEST_CASE("the path of a process's group of version 2", "[cgroup]") {
  CHECK(cgroup_path("0::/dixis.slice/dixis-web-0-1.scope\n") == "/dixis.slice/dixis-web-0-1.scope");
  CHECK(cgroup_path("9:name=systemd:/a\n4:memory:/b\n0::/c\n") == "/c");
  CHECK(cgroup_path("0::/\n") == "/");
  CHECK_FALSE(cgroup_path("4:memory:/a0::/b\n"));
  CHECK_FALSE(cgroup_path(""));
}

TEST_CASE("numbers by their key", "[cgroup]") {
  constexpr std::string_view kEvents =
      "low 0\nhigh 2\nmax 31\noom 1\noom_kill 3\noom_group_kill 0\n";
  CHECK(keyed_number(kEvents, "oom_kill") == 3);
  CHECK(keyed_number(kEvents, "oom") == 1);
  CHECK(keyed_number("usage_usec 18446744073709551615\n", "usage_usec") == 18446744073709551615U);
  CHECK_FALSE(keyed_number(kEvents, "kill"));
  CHECK_FALSE(keyed_number("oom_kill many\n", "oom_kill"));
  CHECK_FALSE(keyed_number("", "oom_kill"));
}

TEST_CASE("a group that is gone has nobody in it", "[cgroup]") {
  CHECK(cgroup_processes("/sys/fs/cgroup/no/such/group").empty());
  CHECK_FALSE(kill_cgroup("/sys/fs/cgroup/no/such/group"));
  CHECK_FALSE(read_cgroup_usage("/sys/fs/cgroup/no/such/group").memory_bytes);
}

TEST_CASE("where a core is, no further than the pattern tells", "[core]") {
  CHECK(core_words("core\n", false, 7, "/srv") ==
        "the core is core in its working directory, /srv at its start");
  CHECK(core_words("core", true, 7, "/srv") ==
        "the core is core.7 in its working directory, /srv at its start");
  CHECK(core_words("/var/crash/%p%%", true, 7, "/srv") == "the core is /var/crash/7%");
  CHECK(core_words("/var/crash/%e.%p", false, 7, "/") ==
        "the core is named after '/var/crash/%e.%p' (core(5))");
  CHECK(core_words("|/usr/lib/systemd/systemd-coredump %P %u", false, 7, "/") ==
        "the core was given to /usr/lib/systemd/systemd-coredump: see `coredumpctl info 7`");
  CHECK(core_words("|/usr/bin/apport", false, 7, "/") == "the core was given to /usr/bin/apport");
}

TEST_CASE("who a process is, and whom it descends from", "[sender]") {
  const auto status = parse_task_status(
      "Name:\tnode\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t10\nNgid:\t0\nPid:\t12\nPPid:\t4\n"
      "Uid:\t1001\t0\t0\t0\n");
  REQUIRE(status);
  CHECK(status->name == "node");
  CHECK(status->process == 10);
  CHECK(status->parent == 4);
  CHECK(status->uid == 1001);
  CHECK_FALSE(parse_task_status("Name:\tnode\n"));

  constexpr std::int64_t kAfterAll = std::int64_t{1} << 50;
  const auto self = find_sender(::getpid(), kAfterAll);
  REQUIRE(self);
  CHECK(self->pid == ::getpid());
  CHECK(self->uid == ::getuid());
  REQUIRE_FALSE(self->parents.empty());
  CHECK(self->parents.front().pid == ::getppid());
  CHECK_FALSE(find_sender(::getpid(), 0));  // whoever sent it then had only this number
  CHECK(session_of(::getpid()) == ::getsid(0));
}
