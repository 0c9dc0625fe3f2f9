#include "daemon/sys/process_table.hpp"

#include <algorithm>
#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>

#include "daemon/sys/proc_files.hpp"
#include "daemon/sys/reaper.hpp"
#include "support.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

ProcessFacts make(pid_t pid, pid_t parent, pid_t session, const std::string& mark = "",
                  char state = 'S', std::uint64_t start_ticks = 100) {
  ProcessFacts facts;
  facts.pid = pid;
  facts.parent = parent;
  facts.session = session;
  facts.tree_mark = mark;
  facts.state = state;
  facts.start_ticks = start_ticks;
  return facts;
}

std::vector<pid_t> pids(const std::vector<ProcessFacts>& table) {
  std::vector<pid_t> found;
  for (const auto& facts : table) found.push_back(facts.pid);
  std::sort(found.begin(), found.end());
  return found;
}

bool contains(const std::vector<ProcessFacts>& table, pid_t pid) {
  return std::any_of(table.begin(), table.end(), [pid](const auto& f) { return f.pid == pid; });
}

using Pids = std::vector<pid_t>;
constexpr pid_t kBase = 5'000'000;  // above any real pid: our own must not be among them

}  // namespace

TEST_CASE("a stat line is taken apart, whatever the process calls itself", "[sys][proc]") {
  const auto facts = proc::parse_stat(
      "4711 (a) R 1 (b c)) Z 12 13 14 0 -1 4194304 96 0 0 0 30 12 0 0 20 0 1 0 98765 2998272 7 "
      "18446744073709551615 1 1\n");
  REQUIRE(facts);
  CHECK(facts->pid == 4711);
  CHECK(facts->comm == "a) R 1 (b c)");
  CHECK(facts->state == 'Z');
  CHECK(facts->parent == 12);
  CHECK(facts->group == 13);
  CHECK(facts->session == 14);
  CHECK(facts->cpu_ticks == 42);
  CHECK(facts->start_ticks == 98765);
  CHECK(facts->rss_bytes == 7 * sysconf(_SC_PAGESIZE));
  for (const auto* broken :
       {"", "12", "12 (a", "12 (a)", "12 (a) S", "12 (a) S 1 2", "x (a) S 1"}) {
    CHECK_FALSE(proc::parse_stat(broken));
  }
}

TEST_CASE("a process is read; none is nothing", "[sys][proc]") {
  const auto self = read_process(::getpid(), true);
  REQUIRE(self);
  CHECK(self->parent == ::getppid());
  CHECK(self->session == ::getsid(0));
  CHECK(self->rss_bytes > 0);
  CHECK(self->state == 'R');
  CHECK_FALSE(read_process(kBase, false));
  CHECK(contains(read_process_table(false), ::getpid()));
}

TEST_CASE("members are found by mark, session and descent", "[sys][tree]") {
  const std::vector<ProcessFacts> table{
      make(kBase + 1, 1, kBase + 1),             // the leader
      make(kBase + 2, kBase + 1, kBase + 1),     // its child
      make(kBase + 3, kBase + 2, kBase + 3),     // a grandchild with a session of its own
      make(kBase + 4, 1, kBase + 1),             // a daemonised one, still in the session
      make(kBase + 5, 1, kBase + 5, "shop-1"),   // a daemonised one, by its mark
      make(kBase + 6, kBase + 5, kBase + 6),     // its child that cleared the mark
      make(kBase + 7, 1, kBase + 7, "other-1"),  // somebody else's
      make(kBase + 8, 1, kBase + 8),             // nobody's
  };
  const TreeKey key{"shop-1", kBase + 1, 100};
  CHECK(pids(tree_members(table, key)) ==
        Pids{kBase + 1, kBase + 2, kBase + 3, kBase + 4, kBase + 5, kBase + 6});

  SECTION("a leader with another start time is a stranger with its number") {
    const TreeKey old{"shop-1", kBase + 1, 99};
    CHECK(pids(tree_members(table, old)) == Pids{kBase + 5, kBase + 6});
  }
  SECTION("an absent leader's number counts for nothing") {
    CHECK(pids(tree_members({table.begin() + 1, table.end()}, key)) == Pids{kBase + 5, kBase + 6});
  }
  SECTION("no mark is no mark, not the mark of those who have none") {
    CHECK(pids(tree_members(table, {"", kBase + 7, 100})) == Pids{kBase + 7});
    CHECK(tree_members(table, {}).empty());
  }
}

TEST_CASE("zombies are no members, but lead to some", "[sys][tree]") {
  const std::vector<ProcessFacts> table{
      make(kBase + 1, 1, kBase + 1, "", 'Z'),
      make(kBase + 2, 1, kBase + 1),
      make(kBase + 3, 1, kBase + 1, "", 'X'),
      make(kBase + 4, kBase + 2, kBase + 4, "", 'Z'),
  };
  CHECK(pids(tree_members(table, {"m", kBase + 1, 100})) == Pids{kBase + 2});
}

TEST_CASE("we are never a member of a tree, nor are our other children by us", "[sys][tree]") {
  const pid_t self = ::getpid();
  const std::vector<ProcessFacts> table{
      make(kBase + 1, 1, kBase + 1, "outer"),
      make(self, kBase + 1, kBase + 1, "outer"),
      make(kBase + 2, self, kBase + 2),
  };
  CHECK(pids(tree_members(table, {"outer", kBase + 1, 100})) == Pids{kBase + 1});
}

TEST_CASE("cycles in a table that changed while it was read end", "[sys][tree]") {
  const std::vector<ProcessFacts> table{make(kBase + 1, kBase + 2, 0),
                                        make(kBase + 2, kBase + 1, 0)};
  CHECK(pids(descendants(table, kBase + 1)) == Pids{kBase + 1, kBase + 2});
}

TEST_CASE("a real tree: daemonised, with another session, with a cleared mark", "[sys][tree]") {
  asio::io_context io;
  Reaper reaper(io);
  auto out = make_pipe();
  auto request = shell(
      "(setsid sh -c 'echo $$; exec sleep 1000 >&-' &);"          // double fork and setsid: by mark
      "env -u DIXIS_TREE sh -c 'echo $$; exec sleep 1000 >&-' &"  // same session, no mark
      "setsid env -i sh -c 'echo $$; exec sleep 1000 >&-' &"      // neither, but our child
      "exec sleep 1000 >&-",
      out.write);
  request.environment.emplace_back("XDIXIS_TREE=wrong");
  request.environment.emplace_back("DIXIS_TREE=shop-0-1");
  auto stranger_request = shell("echo $$; exec sleep 1000", out.write);
  stranger_request.environment.emplace_back("DIXIS_TREE=shop-0-11");
  auto leader = spawn_gated(request).value();
  auto stranger = spawn_gated(stranger_request).value();
  reaper.hold(leader.process.pid);
  reaper.hold(stranger.process.pid);
  REQUIRE_FALSE(await_on(io, open_gate(leader)));
  REQUIRE_FALSE(await_on(io, open_gate(stranger)));
  Pids expected{leader.process.pid};
  for (int i = 0; i < 4; ++i) {
    const pid_t pid = std::stoi(read_from(out.read, true));
    if (pid != stranger.process.pid) expected.push_back(pid);
  }
  std::sort(expected.begin(), expected.end());
  REQUIRE(expected.size() == 4);

  const TreeKey key{"shop-0-1", leader.process.pid, leader.process.start_ticks};
  // The double fork's middle process may still be on its way out.
  CHECK(await_on(io, eventually([&] {
                   return pids(tree_members(read_process_table(true), key)) == expected;
                 })));
  CHECK(read_process(leader.process.pid, true)->tree_mark == "shop-0-1");

  SECTION("after the leader's death its zombie keeps the key valid") {
    REQUIRE(send_signal(leader.process, SIGKILL));
    await_on(io, reaper.wait_exit(leader.process));
    const auto left = pids(tree_members(read_process_table(true), key));
    Pids without_leader = expected;
    std::erase(without_leader, leader.process.pid);
    // The unmarked one in a session of its own was known by descent alone.
    CHECK(left.size() >= 2);
    CHECK(std::includes(without_leader.begin(), without_leader.end(), left.begin(), left.end()));
  }

  for (const pid_t pid : expected) ::kill(pid, SIGKILL);
  ::kill(stranger.process.pid, SIGKILL);
  await_on(io, reaper.wait_exit(leader.process));
  await_on(io, reaper.wait_exit(stranger.process));
  CHECK(await_on(io,
                 eventually([&] { return tree_members(read_process_table(true), key).empty(); })));
  reaper.release(leader.process.pid);
  reaper.release(stranger.process.pid);
}

TEST_CASE("descendants by children lists and by the table are the same", "[sys][tree]") {
  asio::io_context io;
  Reaper reaper(io);
  auto out = make_pipe();
  auto leader = spawn_gated(shell("sleep 1000 >&- & sh -c 'sleep 1000 >&- & echo $!; wait' & wait",
                                  out.write))
                    .value();
  reaper.hold(leader.process.pid);
  REQUIRE_FALSE(await_on(io, open_gate(leader)));
  const pid_t deepest = std::stoi(read_from(out.read, true));
  const pid_t pid = leader.process.pid;
  CHECK(await_on(io, eventually([&] { return descendants(pid).size() == 4; })));
  const auto found = descendants(pid);
  CHECK(contains(found, pid));
  CHECK(contains(found, deepest));
  CHECK(pids(found) == pids(descendants(read_process_table(false), pid)));
  CHECK(descendants(kBase).empty());
  signal_group(pid, SIGKILL);
  await_on(io, reaper.wait_exit(leader.process));
  reaper.release(pid);
}

TEST_CASE("a portrait names a process for people, safely", "[sys][proc]") {
  const TemporaryDirectory directory;
  asio::io_context io;
  Reaper reaper(io);
  auto out = make_pipe();
  auto request = shell("echo ready; sleep 1000; true", out.write);
  request.argv[0] = "we\x1b[31mird \xc3\xa9 \xff";
  request.cwd = directory.path();
  auto child = spawn_gated(request).value();
  reaper.hold(child.process.pid);
  REQUIRE_FALSE(await_on(io, open_gate(child)));
  REQUIRE(read_from(out.read, true) == "ready");

  const auto portrait = portray(child.process.pid);
  CHECK(portrait.command == "we?[31mird \xc3\xa9 ? -c echo ready; sleep 1000; true");
  CHECK(portrait.cwd == directory.path());
  CHECK(portrait.comm == "sh");
  if (is_root()) CHECK(portrait.user == "root");

  signal_group(child.process.pid, SIGKILL);
  await_on(io, reaper.wait_exit(child.process));
  reaper.release(child.process.pid);

  CHECK(to_text({4711, "php", "php -S 127.0.0.1:8001", "/var/www/shop", "deploy"}) ==
        "php -S 127.0.0.1:8001 (pid 4711, user deploy, in /var/www/shop)");
  CHECK(to_text({4711, "kworker", "", "", ""}) == "kworker (pid 4711)");
  CHECK(to_text(portray(kBase)) == "a process (pid 5000000)");
}
