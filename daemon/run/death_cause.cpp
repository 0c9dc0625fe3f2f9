#include "daemon/run/death_cause.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <sys/wait.h>

#include "daemon/model/words.hpp"

namespace dixis {
namespace {

/// How much later than its cause an end is noticed, on a machine that has more to do.
constexpr std::int64_t kDelayMs = 5'000;
constexpr int kByKernel = 128;

std::string megabytes(std::uint64_t bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text.data();
}

int number_of(const std::string& name) {
  const auto number = parse_signal(name);
  return number ? *number : 0;
}

bool is_fault(int signal) {
  constexpr std::array<int, 7> kFaults = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                                          SIGSYS,  SIGXCPU, SIGXFSZ};
  return std::find(kFaults.begin(), kFaults.end(), signal) != kFaults.end();
}

/// The signal that a wrapper's exit code reports; 0: none.
int reported_signal(const Death& death) {
  const auto code = death.code.value_or(0);
  return death.how == How::exited && code > 128 && code < 128 + NSIG ? static_cast<int>(code) - 128
                                                                     : 0;
}

class CauseFinder {
 public:
  CauseFinder(Death& death, const Sightings& seen, const Ended& ended)
      : death_(death), seen_(seen), ended_(ended) {}

  void find() {
    if (by_verb() || by_memory()) return;
    switch (death_.how) {
      case How::signaled:
        return signaled(number_of(death_.signal.value_or("")));
      case How::exited:
        return exited();
      case How::lost:
        return;
    }
  }

 private:
  bool by_verb() {
    if (!ended_.own_signal) return false;
    death_.cause = Cause::verb;
    death_.detail = *ended_.own_signal;
    return true;
  }

  // --- memory
  // -------------------------------------------------------------------------------------

  /// The kernel names whom it killed for memory, and whose limit was reached. Its counter in the
  /// app's own cgroup tells too, where the log holds back.
  bool by_memory() {
    const bool killed = death_.how == How::signaled && death_.signal == "SIGKILL";
    const bool child_killed = reported_signal(death_) == SIGKILL;
    if (!killed && !child_killed) return false;
    const auto* kill = seen_.latest_oom_kill(
        killed ? ended_.begun_ms - 1000 : ended_.at_ms - kDelayMs, [&](const OomKill& one) {
          return killed ? one.pid == ended_.pid
                        : !ended_.cgroup.empty() && one.killed_in.starts_with(ended_.cgroup);
        });
    if (kill != nullptr) {
      told_of_memory(*kill);
      return true;
    }
    if (ended_.memory == nullptr || !counted_just_now()) return false;
    const auto* sent = killed ? signal_to_leader(SIGKILL) : nullptr;
    if (sent != nullptr ? sent->sent.code != kByKernel : killed && seen_.blind.empty()) {
      return false;
    }
    out_of_own_memory();
    return true;
  }

  bool counted_just_now() const {
    return ended_.memory->kills() > 0 && ended_.memory->last_ms() >= ended_.at_ms - kDelayMs;
  }

  void told_of_memory(const OomKill& kill) {
    if (!kill.limit_of) {
      death_.cause = Cause::oom_machine;
      if (kill.pid != ended_.pid) death_.detail = "its process " + name_of(kill);
      return;
    }
    if (!ended_.cgroup.empty() && kill.limit_of->starts_with(ended_.cgroup)) {
      return out_of_own_memory();
    }
    death_.cause = Cause::oom_machine;
    death_.detail = "the limit of " + *kill.limit_of + ", which it is in, was reached";
  }

  static std::string name_of(const OomKill& kill) {
    return kill.comm + " (pid " + std::to_string(kill.pid) + ")";
  }

  void out_of_own_memory() {
    death_.cause = Cause::oom_app;
    if (ended_.memory != nullptr) {
      death_.detail =
          oom_words(*ended_.memory,
                    // The kernel's log told of one; the counter may have gone with its group.
                    std::max<std::uint64_t>(1, ended_.memory->kills()));
    }
  }

  // --- signals
  // ------------------------------------------------------------------------------------

  const SeenSignal* signal_to_leader(int signal) const {
    return seen_.latest_signal(ended_.begun_ms, [&](const SeenSignal& one) {
      return one.sent.signal == signal &&
             (one.sent.target == ended_.pid || one.target_process == ended_.pid);
    });
  }

  void sent_by(const SeenSignal& one) {
    if (one.sent.code == kByKernel) {
      death_.cause = Cause::signal_from;
      death_.detail = "the kernel";
      return;
    }
    const bool itself =
        one.sent.sender == one.sent.target || (one.sender && one.sender->pid == ended_.pid);
    if (itself) {
      death_.cause = Cause::itself;
      return;
    }
    death_.cause = Cause::signal_from;
    death_.sender = one.sender;
    if (death_.sender) return;
    death_.sender.emplace();
    death_.sender->pid = one.sent.sender;
    if (!one.sent.sender_comm.empty()) death_.sender->comm = one.sent.sender_comm;
    death_.detail = "it was gone before it could be looked at";
  }

  void signaled(int signal) {
    if (const auto* seen = signal_to_leader(signal)) return sent_by(*seen);
    if (!seen_.blind.empty()) {
      death_.detail = seen_.blind;
    } else if (seen_.lost_since(ended_.begun_ms)) {
      death_.detail = "there were more signals than could be looked at";
    } else if (is_fault(signal)) {
      // What somebody sends is noted, so it comes from what the process did.
      death_.cause = Cause::itself;
    } else {
      death_.detail = "nobody was seen sending it";
    }
  }

  void exited() {
    if (const int reported = reported_signal(death_)) {
      if (const auto* seen = signal_to_child(reported)) {
        sent_by(*seen);
        if (death_.cause != Cause::signal_from) return;
        const std::string child = "it went to its child " + seen->sent.target_comm + " (pid " +
                                  std::to_string(seen->sent.target) + ")";
        death_.detail += (death_.detail.empty() ? "" : "; ") + child;
        return;
      }
    }
    // One that stops when it is told to, and says so or not by its exit code.
    for (const int signal : {SIGTERM, SIGINT, SIGQUIT}) {
      const auto* seen = signal_to_leader(signal);
      if (seen == nullptr || seen->at_ms < ended_.at_ms - ended_.stop_timeout_ms) continue;
      sent_by(*seen);
      if (death_.cause == Cause::signal_from) death_.signal = signal_name(signal);
      return;
    }
  }

  /// To a process of its tree: of its session, or one whose killing was reported to it.
  const SeenSignal* signal_to_child(int signal) const {
    const auto since = ended_.at_ms - kDelayMs;
    return seen_.latest_signal(since, [&](const SeenSignal& one) {
      if (one.sent.signal != signal || one.target_process == ended_.pid) return false;
      if (one.target_session == ended_.pid) return true;
      return seen_.latest_signal(since, [&](const SeenSignal& report) {
        return report.sent.signal == SIGCHLD && report.sent.sender == one.sent.target &&
               (report.sent.target == ended_.pid || report.target_session == ended_.pid);
      }) != nullptr;
    });
  }

  Death& death_;           // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  const Sightings& seen_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  const Ended& ended_;     // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
};

}  // namespace

std::string oom_words(const OomAccount& account, std::uint64_t killed) {
  std::string words;
  if (account.limit()) words = "its limit is " + megabytes(*account.limit()) + ", ";
  if (account.peak()) words += "its peak was " + megabytes(*account.peak()) + ", ";
  return words + std::to_string(killed) +
         (killed == 1 ? " process of it was killed" : " processes of it were killed");
}

ExitStatus seen_status(const Sightings& seen, const Ended& ended) {
  if (const auto status = seen.end_of(ended.pid, ended.begun_ms)) {
    if (WIFEXITED(*status)) return {true, WEXITSTATUS(*status), std::nullopt, false};
    return {true, std::nullopt, WTERMSIG(*status), WCOREDUMP(*status) != 0};
  }
  // Nothing survives this one.
  const auto* kill = seen.latest_signal(ended.begun_ms, [&](const SeenSignal& one) {
    return one.sent.signal == SIGKILL &&
           (one.sent.target == ended.pid || one.target_process == ended.pid);
  });
  if (kill != nullptr) return {true, std::nullopt, SIGKILL, false};
  return {false, std::nullopt, std::nullopt, false};
}

void find_cause(Death& death, const Sightings& seen, const Ended& ended) {
  CauseFinder(death, seen, ended).find();
}

}  // namespace dixis
