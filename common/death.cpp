#include "common/death.hpp"

#include <algorithm>
#include <array>

namespace dixis {
namespace {

/// Signals as exit codes of 128 and up mean them, the same on every Linux that Debian runs on.
constexpr std::array<std::string_view, 32> kSignalNames = {
    "",          "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
    "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
    "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
    "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS"};

/// Signals that the kernel sends for what a program does.
constexpr std::array<std::string_view, 7> kFaults = {"SIGSEGV", "SIGBUS",  "SIGFPE", "SIGILL",
                                                     "SIGSYS",  "SIGXCPU", "SIGXFSZ"};

std::string with_detail(std::string text, const Death& death) {
  if (!death.detail.empty()) text += ": " + death.detail;
  return text;
}

/// ", child of bash (pid 4), sshd (pid 3), init (pid 1)"
std::string ancestry_words(const std::vector<Ancestor>& parents) {
  std::string words;
  for (const Ancestor& one : parents) {
    words += (words.empty() ? ", child of " : ", ") + one.comm + " (pid " +
             std::to_string(one.pid) + ")";
  }
  return words;
}

std::string sender_words(const Death& death) {
  if (!death.sender) {
    // Without a sender's pid, what is known of it stands in `detail`, or nothing is.
    return death.detail.empty() ? "who sent it is unknown" : "sent by " + death.detail;
  }
  const Sender& sender = *death.sender;
  std::string facts = "pid " + std::to_string(sender.pid);
  if (sender.uid) facts += ", uid " + std::to_string(*sender.uid);
  if (sender.exe) facts += ", " + *sender.exe;
  std::string words = sender.comm ? "sent by " + *sender.comm + " (" + facts + ")"
                                  : "sent by a process whose name is unknown (" + facts + ")";
  words += ancestry_words(sender.parents);
  if (!death.detail.empty()) words += ": " + death.detail;
  return words;
}

/// "exited with 137: a shell or wrapper reports that its child got SIGKILL".
std::string exit_words(const Death& death) {
  if (!death.code) return "exited, the exit code is unknown";
  std::string words = "exited with " + std::to_string(*death.code);
  const auto signal = static_cast<std::size_t>(*death.code > 128 ? *death.code - 128 : 0);
  if (signal > 0 && signal < kSignalNames.size()) {
    words += ": a shell or wrapper reports that its child got " + std::string(kSignalNames[signal]);
  }
  return words;
}

/// What was seen of the end itself.
std::string how_words(const Death& death) {
  switch (death.how) {
    case How::exited:
      return exit_words(death);
    case How::signaled:
      return (death.core_dumped ? "dumped core on " : "killed by ") +
             death.signal.value_or("a signal whose number is unknown");
    case How::lost:
      return "ended while no daemon was watching";
  }
  return "ended";
}

/// How the end went, after "was stopped because …": nothing to say where all went as asked.
std::string ending(const Death& death) {
  if (death.escalated) {
    // The leader's own end tells whether the stop timeout had to kill it or the rest of its tree.
    return death.how == How::signaled && death.signal == "SIGKILL"
               ? "; it did not stop on its stop signal within its stop timeout and was killed"
               : "; some of its tree did not stop within the stop timeout and was killed";
  }
  switch (death.how) {
    case How::exited:
      return death.code && *death.code != 0 ? "; it exited with " + std::to_string(*death.code)
                                            : "";
    case How::lost:  // who ended it was watching
      return "";
    case How::signaled:
      return death.core_dumped ? "; it dumped core" : "";
  }
  return "";
}

std::string verb_words(const Death& death) {
  return "stopped by " + (death.detail.empty() ? "an operator's verb" : death.detail);
}

std::string signal_words(const Death& death) {
  std::string words = how_words(death);
  const bool wrapper = death.how == How::exited && death.code.value_or(0) > 128;
  if (death.how != How::signaled && !wrapper) {
    words += " after " + death.signal.value_or("a signal");
  }
  return words + ", " + sender_words(death);
}

std::string itself_words(const Death& death) {
  if (death.how == How::signaled) {
    const bool fault =
        std::find(kFaults.begin(), kFaults.end(), death.signal.value_or("")) != kFaults.end();
    const std::string by = fault ? ", a fault of its own" : ", which it raised itself";
    return with_detail(how_words(death) + by, death);
  }
  return with_detail(how_words(death), death);
}

std::string unknown_words(const Death& death) {
  switch (death.how) {
    case How::exited:
      return with_detail(how_words(death) + "; why is unknown", death);
    case How::signaled:
      return with_detail(how_words(death) + "; who sent it is unknown", death);
    case How::lost:
      if (!death.detail.empty()) return "ended; how and why are unknown: " + death.detail;
      return how_words(death) + "; how and why are unknown";
  }
  return how_words(death);
}

}  // namespace

std::string death_message(const Death& death) {
  switch (death.cause) {
    case Cause::itself:
      return itself_words(death);
    case Cause::signal_from:
      return signal_words(death);
    case Cause::oom_app:
      return with_detail("out of memory: the app reached its own memory limit", death) +
             ending(death);
    case Cause::oom_machine:
      return with_detail("out of memory: the machine had none left and the kernel chose this app",
                         death) +
             ending(death);
    case Cause::unhealthy:
      return with_detail("stopped because its health probe failed", death) + ending(death);
    case Cause::watchdog:
      return with_detail("stopped because it did not feed its watchdog", death) + ending(death);
    case Cause::start_timeout:
      return with_detail("stopped because it was not proven within its start timeout", death) +
             ending(death);
    case Cause::verb:
      return verb_words(death) + ending(death);
    case Cause::config:
      return with_detail("stopped because the configuration changed", death) + ending(death);
    case Cause::new_build:
      return with_detail("stopped because a new build is on disk", death) + ending(death);
    case Cause::memory_threshold:
      return with_detail("stopped because its memory stayed above restart_above", death) +
             ending(death);
    case Cause::shutdown:
      return with_detail("stopped because the daemon shuts down", death) + ending(death);
    case Cause::adopter:
      return with_detail("stopped because it did not take the socket that it was given", death) +
             ending(death);
    case Cause::unknown:
      return unknown_words(death);
  }
  return how_words(death);
}

}  // namespace dixis
