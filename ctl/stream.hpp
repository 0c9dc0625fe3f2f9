#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "ctl/context.hpp"

namespace dixis::ctl {

/// Until when a stream is waited for: the first reply has the time of a question; then each reply
/// is due within the silence timeout, and the last one by the verb's own deadline. Pure.
class StreamDeadline {
 public:
  StreamDeadline(Clock::time_point now, std::chrono::milliseconds first,
                 std::chrono::milliseconds silence);

  /// A reply came; `verb_deadline` is from now.
  void heard(Clock::time_point now, std::optional<std::chrono::milliseconds> verb_deadline);

  /// When waiting ends.
  Clock::time_point end() const;
  /// What it means when it does.
  Trouble trouble() const;
  /// How long was waited in vain then.
  std::chrono::milliseconds waited() const;

 private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds silence_;
  Clock::time_point next_reply_;
  std::optional<Clock::time_point> last_reply_;
  bool began_ = false;
};

/// How long after its own deadline a verb may still answer.
inline constexpr std::chrono::milliseconds kVerbMargin{3'000};

/// A verb that changes something, as it is called and spoken of.
struct VerbCall {
  std::string method;
  boost::json::object parameters;
  std::string doing;  ///< "restarting frontend", for the progress line
  bool wait = true;   ///< false: one reply, once the daemon has accepted it
  /// It takes an id of ours: the next daemon can be asked how it went on.
  bool recorded = false;
};

/// Calls a verb, shows its progress, and returns its last reply, with the `operation` of the first.
/// A daemon that dies or is replaced meanwhile is waited for: the next one tells how the verb went
/// on. It is called again only if no daemon has ever heard of it.
Answer<boost::json::object> carry_out(const Context& context, VerbCall call);

/// The progress line: "⠋ restarting frontend: proving (2.1 s)", in at most `width` columns.
std::string progress_line(const std::string& doing, const std::optional<Progress>& progress,
                          std::chrono::milliseconds elapsed, std::size_t width);

}  // namespace dixis::ctl
