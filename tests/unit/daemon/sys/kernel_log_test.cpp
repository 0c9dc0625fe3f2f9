#include "daemon/sys/kernel_log.hpp"

#include <catch2/catch.hpp>

using namespace dixis;

TEST_CASE("a kill for memory within a group's limit", "[oom]") {
  const auto kill = parse_oom_kill(
      "6,1234,5678901,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,"
      "mems_allowed=0,oom_memcg=/dixis.slice/dixis-web-0-1.scope,task_memcg=/dixis.slice/"
      "dixis-web-0-1.scope,task=node,pid=4711,uid=1001\n SUBSYSTEM=x\n");
  REQUIRE(kill);
  CHECK(kill->pid == 4711);
  CHECK(kill->comm == "node");
  CHECK(kill->killed_in == "/dixis.slice/dixis-web-0-1.scope");
  CHECK(kill->limit_of == "/dixis.slice/dixis-web-0-1.scope");
  CHECK(kill->at_ms == 5678);
}

TEST_CASE("a kill because the machine has no memory left", "[oom]") {
  const auto kill = parse_oom_kill(
      "6,99,1000000,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,"
      "global_oom,task_memcg=/dixis.slice/dixis-a-0-1.scope,task=a,pid=7,uid=0,pid=7,pid=8,uid=0");
  REQUIRE(kill);
  CHECK_FALSE(kill->limit_of);
  CHECK(kill->pid == 8);
  CHECK(kill->comm == "a,pid=7,uid=0,pid=7");
}

TEST_CASE("other records are none", "[oom]") {
  for (const std::string_view record :
       {"", "6,1,1,-", "6,1,1,-;usb 1-1: new device",
        "6,1,x,-;oom-kill:constraint=A,task=a,pid=1,uid=0",
        "6,1,1,-;oom-kill:constraint=CONSTRAINT_NONE,task=a,pid=x,uid=0",
        "6,1,1,-;said oom-kill:constraint=A,task=a,pid=1,uid=0"}) {
    CAPTURE(record);
    CHECK_FALSE(parse_oom_kill(record));
  }
}
