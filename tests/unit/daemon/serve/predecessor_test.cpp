#include "daemon/serve/predecessor.hpp"

#include <catch2/catch.hpp>

namespace {

std::optional<std::string> explain_predecessor(const std::string& lock,
                                               const std::string& service_end) {
  return dixis::explain_predecessor(lock, service_end, std::nullopt);
}

}  // namespace

TEST_CASE("A predecessor that ended as it should have is not explained", "[predecessor]") {
  CHECK_FALSE(explain_predecessor("", ""));
  CHECK_FALSE(explain_predecessor("", "success exited 0"));
}

TEST_CASE("How a predecessor ended is told as far as it is known", "[predecessor]") {
  const std::string lock = "123 2026-01-02T03:04:05.678Z";
  const std::string who =
      "the dixisd before this one (pid 123, started at 2026-01-02T03:04:05.678Z) ";
  CHECK(explain_predecessor(lock, "") ==
        who + "ended without saying goodbye: it was killed, or it crashed");
  CHECK(explain_predecessor(lock, "signal killed KILL") == who + "was killed by SIGKILL");
  CHECK(explain_predecessor(lock, "success killed TERM") == who + "was killed by SIGTERM");
  CHECK(explain_predecessor(lock, "core-dump dumped SEGV") ==
        who + "crashed with SIGSEGV, and dumped its core");
  CHECK(explain_predecessor(lock, "exit-code exited 1") == who + "exited with 1");
  CHECK(explain_predecessor(lock, "watchdog dumped ABRT") ==
        who + "was ended by systemd's watchdog: its event loop did not turn any more");
  CHECK(explain_predecessor(lock, "oom-kill killed KILL") ==
        who + "was killed by the kernel: out of memory");
  CHECK(explain_predecessor("", "exit-code exited 7") ==
        "a dixisd before this one exited with 7: its configuration was invalid");
  CHECK(explain_predecessor("", "resources  ") ==
        "a dixisd before this one could not be run by systemd: resources");
}

TEST_CASE("What the kernel says of a predecessor's end counts more than the signal",
          "[predecessor]") {
  dixis::OomKill kill;
  const auto told = [&] {
    return dixis::explain_predecessor("123 then", "signal killed KILL", kill).value_or("");
  };
  const std::string who =
      "the dixisd before this one (pid 123, started at then) was killed by the kernel: ";
  CHECK(told() == who + "the machine was out of memory");
  kill.limit_of = "/system.slice/dixisd.service";
  CHECK(told() == who + "out of memory, the limit of /system.slice/dixisd.service was reached");
}
