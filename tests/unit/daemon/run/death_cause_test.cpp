#include "daemon/run/death_cause.hpp"

#include <csignal>

#include <catch2/catch.hpp>

#include "common/death.hpp"
#include "daemon/run/strangers.hpp"

using namespace dixis;

namespace {

constexpr pid_t kLeader = 100;
constexpr std::int64_t kBegun = 50'000;
constexpr std::int64_t kEnd = 100'000;

struct Scene {
  Sightings seen{};
  Death death{};
  Ended ended{};

  Scene() {
    ended.pid = kLeader;
    ended.begun_ms = kBegun;
    ended.at_ms = kEnd;
    ended.cgroup = "/dixis.slice/dixis-web-0-1.scope";
    ended.stop_timeout_ms = 15'000;
  }
  Scene& killed_by(const char* signal) {
    death.how = How::signaled;
    death.signal = signal;
    return *this;
  }
  Scene& exited_with(int code) {
    death.how = How::exited;
    death.cause = Cause::itself;
    death.code = code;
    return *this;
  }
  Scene& sent(int signal, int code = 0, std::int64_t at = kEnd - 10, pid_t target = kLeader) {
    SeenSignal one;
    one.sent = {7, "kill", signal, code, target, "node"};
    one.at_ms = at;
    one.target_process = target;
    one.target_session = kLeader;
    one.sender = Sender{7, "sh", "/usr/bin/dash", 1001, {{4, "cron"}, {1, "systemd"}}};
    seen.note(one);
    return *this;
  }
  Scene& oom(std::optional<std::string> limit_of, pid_t pid = kLeader) {
    seen.note(OomKill{pid, "node", ended.cgroup, std::move(limit_of), kEnd - 10});
    return *this;
  }
  const Death& found() {
    find_cause(death, seen, ended);
    death.message = death_message(death);
    return death;
  }
};

}  // namespace

TEST_CASE("a foreign signal has its sender", "[cause]") {
  const auto death = Scene().killed_by("SIGKILL").sent(SIGTERM).sent(SIGKILL).found();
  CHECK(death.cause == Cause::signal_from);
  CHECK(death.message ==
        "killed by SIGKILL, sent by sh (pid 7, uid 1001, /usr/bin/dash), child of cron (pid 4), "
        "systemd (pid 1)");
}

TEST_CASE("what isn't seen is unknown, and it says why", "[cause]") {
  Scene blind;
  blind.seen.blind = "tracefs is not mounted at /sys/kernel/tracing";
  CHECK(blind.killed_by("SIGKILL").found().message ==
        "killed by SIGKILL; who sent it is unknown: tracefs is not mounted at /sys/kernel/tracing");
  Scene lossy;
  lossy.seen.note_loss(kEnd - 1);
  CHECK(lossy.killed_by("SIGSEGV").found().cause == Cause::unknown);
  const auto other = Scene().killed_by("SIGKILL").sent(SIGTERM).found();
  CHECK(other.cause == Cause::unknown);
  CHECK_FALSE(other.sender);
}

TEST_CASE("a signal to an earlier process with that number is nobody's", "[cause]") {
  CHECK(Scene().killed_by("SIGKILL").sent(SIGKILL, 0, kBegun - 1).found().cause == Cause::unknown);
}

TEST_CASE("faults and signals to oneself are one's own", "[cause]") {
  CHECK(Scene().killed_by("SIGSEGV").found().message == "killed by SIGSEGV, a fault of its own");
  Scene aborting;
  SeenSignal one;
  one.sent = {kLeader, "node", SIGABRT, -6, kLeader, "node"};
  one.at_ms = kEnd;
  one.target_process = kLeader;
  aborting.seen.note(one);
  CHECK(aborting.killed_by("SIGABRT").found().message ==
        "killed by SIGABRT, which it raised itself");
}

TEST_CASE("the kernel's own kill is the kernel's", "[cause]") {
  const auto death = Scene().killed_by("SIGKILL").sent(SIGKILL, 128).found();
  CHECK(death.message == "killed by SIGKILL, sent by the kernel");
  CHECK_FALSE(death.sender);
}

TEST_CASE("out of memory: whose", "[cause]") {
  const auto own = Scene().killed_by("SIGKILL").oom("/dixis.slice/dixis-web-0-1.scope").found();
  CHECK(own.cause == Cause::oom_app);
  CHECK(Scene().killed_by("SIGKILL").oom(std::nullopt).found().cause == Cause::oom_machine);
  const auto slice = Scene().killed_by("SIGKILL").oom("/dixis.slice").found();
  CHECK(slice.cause == Cause::oom_machine);
  CHECK(slice.detail == "the limit of /dixis.slice, which it is in, was reached");
  const auto child = Scene().exited_with(137).oom("/dixis.slice/dixis-web-0-1.scope", 101).found();
  CHECK(child.cause == Cause::oom_app);
  // Another one's end says nothing of this one's.
  CHECK(Scene().killed_by("SIGKILL").oom(std::nullopt, 101).sent(SIGKILL).found().cause ==
        Cause::signal_from);
  CHECK(Scene().killed_by("SIGTERM").oom(std::nullopt).sent(SIGTERM).found().cause ==
        Cause::signal_from);
}

TEST_CASE("a wrapper's 137 is its child's kill, if that was seen", "[cause]") {
  const auto seen = Scene().exited_with(137).sent(SIGKILL, 0, kEnd - 10, 101).found();
  CHECK(seen.cause == Cause::signal_from);
  CHECK(
      seen.message ==
      "exited with 137: a shell or wrapper reports that its child got SIGKILL, sent by sh (pid 7, "
      "uid 1001, /usr/bin/dash), child of cron (pid 4), systemd (pid 1): it went to its child "
      "node (pid 101)");
  CHECK(Scene().exited_with(137).found().message ==
        "exited with 137: a shell or wrapper reports that its child got SIGKILL");
  CHECK(Scene().exited_with(137).sent(SIGKILL, 0, kEnd - 60'000, 101).found().cause ==
        Cause::itself);
}

TEST_CASE("a child that was gone is known by what its parent was told", "[cause]") {
  Scene scene;
  SeenSignal kill;
  kill.sent = {7, "kill", SIGKILL, 0, 101, "node"};
  kill.at_ms = kEnd - 10;
  scene.seen.note(kill);
  CHECK(Scene(scene).exited_with(137).found().cause == Cause::itself);  // it may be anybody's
  SeenSignal report;
  report.sent = {101, "node", SIGCHLD, 2, kLeader, "sh"};
  report.at_ms = kEnd - 9;
  scene.seen.note(report);
  const auto death = scene.exited_with(137).found();
  CHECK(death.cause == Cause::signal_from);
  CHECK(death.sender->pid == 7);
}

TEST_CASE("an exit after somebody's stop signal says so", "[cause]") {
  CHECK(Scene().exited_with(0).sent(SIGTERM).found().message.starts_with(
      "exited with 0 after SIGTERM, sent by sh"));
  CHECK(Scene().exited_with(143).sent(SIGTERM).found().cause == Cause::signal_from);
  CHECK(Scene().exited_with(1).sent(SIGTERM, 0, kEnd - 20'000).found().cause == Cause::itself);
  CHECK(Scene().exited_with(1).sent(SIGHUP).found().cause == Cause::itself);
}

TEST_CASE("a verb's signal is the verb's", "[cause]") {
  Scene scene;
  scene.ended.own_signal = "`dixisctl signal` (uid 0)";
  CHECK(scene.killed_by("SIGKILL").found().message == "stopped by `dixisctl signal` (uid 0)");
}

TEST_CASE("how one ended that isn't our child, as the kernel noted it", "[cause]") {
  Scene scene;
  CHECK_FALSE(seen_status(scene.seen, scene.ended).known);
  scene.sent(SIGKILL);
  CHECK(seen_status(scene.seen, scene.ended).signal == SIGKILL);
  scene.seen.note_end(kLeader, 3 << 8, kEnd - 1);
  CHECK(seen_status(scene.seen, scene.ended).code == 3);
  scene.seen.note_end(kLeader, SIGSEGV | 0x80, kEnd - 1);
  CHECK(seen_status(scene.seen, scene.ended).core_dumped);
  scene.seen.note_end(kLeader, 0, kBegun - 1);  // of another one with that number
  CHECK(seen_status(scene.seen, scene.ended).signal == SIGKILL);
}

TEST_CASE("strangers in an app's tree", "[strangers]") {
  const Home home{"/usr/bin/node", "/usr/bin/node", "/var/www/shop"};
  CHECK_FALSE(why_stranger({"/usr/bin/node", false, ""}, home));
  CHECK_FALSE(why_stranger({"/var/www/shop/node_modules/esbuild/bin/esbuild", false, ""}, home));
  CHECK(why_stranger({"/var/www/shopping/x", false, ""}, home));
  CHECK(*why_stranger({"/tmp/docker-daemon", false, "/tmp"}, home) ==
        "it lies in /tmp, which everybody may write to");
  CHECK(*why_stranger({"/usr/bin/node", true, ""}, home) ==
        "its executable was deleted or replaced");
  CHECK(*why_stranger({"/memfd:x", true, ""}, home) == "it runs from memory, without a file");
  CHECK(*why_stranger({"/usr/bin/curl", false, ""}, home) ==
        "it is neither the app's interpreter nor in its directory");
  // An upload directory in the app is open to everybody; the app below /tmp is not its fault.
  CHECK(why_stranger({"/var/www/shop/uploads/x", false, "/var/www/shop/uploads"}, home));
  const Home below{"/tmp/app/run", "/tmp/app/run", "/tmp/app"};
  CHECK_FALSE(why_stranger({"/tmp/app/run", false, "/tmp"}, below));
  CHECK_FALSE(why_stranger({"/tmp/app/helper", false, "/tmp"}, below));
}
