#include "ctl/stream.hpp"

#include <algorithm>
#include <array>
#include <sys/random.h>

#include "ctl/render/text.hpp"
#include "ctl/render/units.hpp"

namespace dixis::ctl {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShowProgressAfter{300};
constexpr milliseconds kFrame{100};

/// What is seen of a verb while it runs.
class ProgressView {
 public:
  ProgressView(const Context& context, std::string doing)
      : context_(context), doing_(std::move(doing)), began_(Clock::now()) {}

  ~ProgressView() { context_.console.progress({}); }
  ProgressView(const ProgressView&) = delete;
  ProgressView& operator=(const ProgressView&) = delete;

  void step(const Progress& progress) {
    latest_ = progress;
    if (context_.arguments.verbose) {
      const std::string& words = progress.message.empty() ? progress.step : progress.message;
      context_.console.say(
          printable(slot_name(progress.app, progress.instance, progress.instance > 0)) + ": " +
          printable(words) + " (" + seconds_words(milliseconds(progress.elapsed_ms)) + ")");
    }
    draw();
  }

  void daemon_gone() {
    latest_ = Progress{};
    latest_->message = "dixisd is gone; waiting for the next one";
    if (context_.arguments.verbose) context_.console.say(latest_->message);
    draw();
  }

  void draw() {
    if (!context_.console.progress_visible()) return;
    const auto elapsed = std::chrono::duration_cast<milliseconds>(Clock::now() - began_);
    if (elapsed < kShowProgressAfter) return;
    context_.console.progress(
        progress_line(doing_, latest_, elapsed, context_.console.error_width()));
  }

  /// When the line has to be drawn again; never, where nobody sees it.
  Clock::time_point next_frame() const {
    return context_.console.progress_visible() ? Clock::now() + kFrame : Clock::time_point::max();
  }

 private:
  const Context& context_;
  std::string doing_;
  Clock::time_point began_;
  std::optional<Progress> latest_;
};

/// An id that nobody else has.
std::string new_operation_id() {
  std::array<unsigned char, 16> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    return {};
  }
  std::string out;
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const unsigned char byte : random) {
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 15U];
  }
  return out;
}

/// Once the call has left, a failure of the wire leaves open what became of it.
Failure with_outcome_unknown(Failure failure, bool accepted) {
  switch (failure.trouble) {
    case Trouble::closed:
    case Trouble::no_answer:
    case Trouble::silent_stream:
    case Trouble::verb_overdue:
    case Trouble::malformed:
    case Trouble::no_such_operation:
      failure.message += "; the verb's outcome is unknown";
      failure.hint = "look with `dixisctl list`; " + failure.hint;
      break;
    case Trouble::interrupted:
      failure.message = accepted ? "interrupted: this client ends, the verb goes on in the daemon"
                                 : "interrupted before the daemon answered: the verb may go on";
      failure.hint = "see how it ends with `dixisctl list`";
      break;
    default:
      break;
  }
  return failure;
}

class Conversation {
 public:
  Conversation(const Context& context, Client client, VerbCall call)
      : context_(context),
        client_(std::move(client)),
        call_(std::move(call)),
        view_(context, call_.doing),
        id_(call_.recorded ? new_operation_id() : std::string()),
        deadline_(Clock::now(), context.arguments.timeout, context.arguments.silence_timeout) {
    if (!id_.empty()) call_.parameters["operation"] = id_;
  }

  Answer<boost::json::object> run() {
    client_.catch_interrupts();
    auto sent = send_verb();
    if (!sent) return sent.error();
    while (true) {
      auto reply = client_.receive(std::min(deadline_.end(), view_.next_frame()));
      if (!reply) {
        const auto again = go_on_after(reply.error());
        if (!again) return with_outcome_unknown(again.error(), accepted_);
        continue;
      }
      if (!*reply) {
        if (Clock::now() >= deadline_.end()) {
          return with_outcome_unknown(client_.no_answer(deadline_.trouble(), deadline_.waited()),
                                      accepted_);
        }
        view_.draw();
        continue;
      }
      auto heard = hear((*reply)->parameters);
      if (!heard) return with_outcome_unknown(heard.error(), accepted_);
      if (!(*reply)->continues) return last(std::move((*reply)->parameters));
    }
  }

 private:
  Answer<void> send_verb() {
    return client_.send({method_name(call_.method), call_.parameters, call_.wait, false},
                        deadline_.end());
  }

  /// After a failure of the wire: asks the next daemon how the verb goes on. One that has never
  /// heard of it gets the call itself, unless another has accepted it before.
  Answer<void> go_on_after(const Failure& failure) {
    if (failure.trouble == Trouble::no_such_operation && !accepted_) return send_verb();
    if (failure.trouble != Trouble::closed || id_.empty()) return failure;
    view_.daemon_gone();
    const auto connected = client_.reconnect(deadline_.end());
    if (!connected) return none_came(connected.error());
    // One that hangs up on everybody is given up at the deadline.
    if (Clock::now() >= deadline_.end()) return failure;
    return client_.send(
        {method_name("Follow"), {{"operation", id_}, {"wait", call_.wait}}, call_.wait, false},
        deadline_.end());
  }

  static Failure none_came(Failure failure) {
    if (failure.trouble == Trouble::interrupted) return failure;
    failure.message =
        "the daemon ended while the verb was under way, and none has come back; the verb's "
        "outcome is unknown: " +
        failure.message;
    failure.hint += "; then look with `dixisctl list`";
    return failure;
  }

  Answer<void> hear(const boost::json::object& parameters) {
    const auto reply = read_as<VerbReply>(parameters);
    if (!reply) return reply.error();
    // The first one holds: daemons that die one after the other don't prolong it.
    std::optional<milliseconds> verb_deadline;
    if (reply->deadline_ms && !accepted_) verb_deadline = milliseconds(*reply->deadline_ms);
    accepted_ = true;
    deadline_.heard(Clock::now(), verb_deadline);
    if (reply->operation) operation_ = *reply->operation;
    if (reply->progress) view_.step(*reply->progress);
    return {};
  }

  boost::json::object last(boost::json::object parameters) const {
    if (operation_) parameters["operation"] = *operation_;
    return parameters;
  }

  const Context& context_;
  Client client_;
  VerbCall call_;
  ProgressView view_;
  std::string id_;  ///< of the operation, whichever daemon carries it out
  StreamDeadline deadline_;
  std::optional<std::string> operation_;
  bool accepted_ = false;
};

}  // namespace

StreamDeadline::StreamDeadline(Clock::time_point now, milliseconds first, milliseconds silence)
    : first_(first), silence_(silence), next_reply_(now + first) {}

void StreamDeadline::heard(Clock::time_point now, std::optional<milliseconds> verb_deadline) {
  began_ = true;
  next_reply_ = now + silence_;
  if (verb_deadline) {
    // Nobody waits longer than a year; an absurd number must not wrap around.
    const auto sane = std::clamp(*verb_deadline, milliseconds(0), milliseconds(365LL * 86'400'000));
    last_reply_ = now + sane + kVerbMargin;
  }
}

Clock::time_point StreamDeadline::end() const {
  return last_reply_ ? std::min(*last_reply_, next_reply_) : next_reply_;
}

Trouble StreamDeadline::trouble() const {
  if (!began_) return Trouble::no_answer;
  return last_reply_ && *last_reply_ < next_reply_ ? Trouble::verb_overdue : Trouble::silent_stream;
}

milliseconds StreamDeadline::waited() const {
  switch (trouble()) {
    case Trouble::no_answer:
      return first_;
    case Trouble::verb_overdue:
      return kVerbMargin;
    default:
      return silence_;
  }
}

std::string progress_line(const std::string& doing, const std::optional<Progress>& progress,
                          milliseconds elapsed, std::size_t width) {
  constexpr std::array kFrames{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
  const auto frame = static_cast<std::size_t>(elapsed / kFrame) % kFrames.size();
  std::string line = printable(doing);
  if (progress) {
    const std::string slot = slot_name(progress->app, progress->instance, progress->instance > 0);
    const std::string& words = progress->message.empty() ? progress->step : progress->message;
    // "restarting frontend: frontend: …" would say it twice.
    const bool named = doing.ends_with(" " + slot) || words.starts_with(slot);
    line += ": " + printable(named ? words : slot + ": " + words);
  }
  const std::string time = " (" + seconds_words(elapsed) + ")";
  const std::size_t fixed = 2 + display_width(time) + 1;  // the last column stays free
  return std::string(kFrames[frame]) + " " + truncated(line, width > fixed ? width - fixed : 0) +
         time;
}

Answer<boost::json::object> carry_out(const Context& context, VerbCall call) {
  auto client = connect(context);
  if (!client) return client.error();
  return Conversation(context, std::move(*client), std::move(call)).run();
}

}  // namespace dixis::ctl
