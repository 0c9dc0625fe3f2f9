#include <chrono>
#include <poll.h>
#include <unistd.h>

#include "ctl/offline_logs.hpp"
#include "ctl/render/log_lines.hpp"
#include "ctl/render/text.hpp"
#include "ctl/stream.hpp"
#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {
namespace {

/// How long to wait before looking again for a daemon that is gone.
constexpr int kRetryMs = 200;
constexpr std::uint64_t kDefaultLines = 100;

LogLook look_of(const Context& context) {
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  const auto& arguments = context.arguments;
  return {arguments.json, terminal, terminal || arguments.logs.names, arguments.logs.timestamps,
          context.console.look().colour};
}

/// The verb: from the daemon, or from the files where there is none; while it follows, from the
/// next daemon when one has gone.
class Logs {
 public:
  explicit Logs(const Context& context) : context_(context), text_(look_of(context)) {}

  Answer<ExitCode> run() {
    auto ended = show();
    context_.console.print(text_.finish());
    return ended;
  }

 private:
  Answer<ExitCode> show() {
    while (true) {
      const auto ended = stream();
      if (ended) return *ended;
      const Failure& failure = ended.error();
      if (failure.trouble == Trouble::output) return ExitCode::done;
      if (!is_gone(failure)) return failure;
      if (!begun_) {
        const auto read = read_logs_offline(context_, failure,
                                            [this](const LogsReply& reply) { return take(reply); });
        if (!read) return read.error();
        begun_ = true;
      } else if (!options().follow) {
        return failure;
      } else if (!missed_) {
        context_.console.say("dixisctl: " + printable(failure.message));
      }
      if (!options().follow) return ExitCode::done;
      if (!missed_) context_.console.say("waiting until the daemon is back");
      missed_ = true;
      if (!wait()) return ExitCode::done;
    }
  }

  const LogArguments& options() const { return context_.arguments.logs; }

  /// Whether a daemon may come back from this.
  bool is_gone(const Failure& failure) const {
    const ExitCode code = exit_code(failure.trouble);
    return code == ExitCode::no_daemon || (begun_ && code == ExitCode::no_answer);
  }

  /// False: nobody reads what is printed any more.
  static bool wait() {
    pollfd output{STDOUT_FILENO, 0, 0};
    return ::poll(&output, 1, kRetryMs) <= 0 || (output.revents & POLLERR) == 0;
  }

  boost::json::object parameters() const {
    boost::json::object out;
    if (!context_.arguments.operands.empty()) out["targets"] = targets_of(context_.arguments);
    if (options().follow) out["follow"] = true;
    if (options().grep) out["grep"] = *options().grep;
    if (options().err) out["stream"] = "err";
    if (options().out) out["stream"] = "out";
    if (options().instance) out["instance"] = *options().instance;
    if (options().last_life) out["last_life"] = true;
    if (!positions_.empty()) {
      std::vector<LogPosition> from;
      for (const auto& [file, position] : positions_) from.push_back({file, position});
      out["from"] = json::write(from);
      out["lines"] = 0;
      return out;
    }
    if (options().lines) out["lines"] = *options().lines;
    if (options().since_ms) out["since_ms"] = *options().since_ms;
    if (options().until_ms) out["until_ms"] = *options().until_ms;
    return out;
  }

  /// Until the daemon ends it. A failure: the daemon, or we.
  Answer<ExitCode> stream() {
    auto client = connect(context_);
    if (!client) return client.error();
    client->watch_output();
    StreamDeadline deadline(Clock::now(), context_.arguments.timeout,
                            context_.arguments.silence_timeout);
    const auto sent =
        client->send({method_name("Logs"), parameters(), true, false}, deadline.end());
    if (!sent) return sent.error();
    while (true) {
      const auto reply = client->receive(deadline.end());
      if (!reply) return reply.error();
      if (!*reply) return client->no_answer(deadline.trouble(), deadline.waited());
      deadline.heard(Clock::now(), std::nullopt);
      if (std::exchange(missed_, false)) context_.console.say("the daemon is back");
      begun_ = true;
      const auto read = read_as<LogsReply>((*reply)->parameters);
      if (!read) return read.error();
      if (!take(*read)) return ExitCode::done;
      if (!(*reply)->continues) return ExitCode::done;
    }
  }

  /// Prints a reply. False: nobody reads that any more.
  bool take(const LogsReply& reply) {
    if (reply.sources) {
      sources_ = *reply.sources;
      text_.know(sources_);
    }
    std::string out;
    for (const auto& lines : reply.lines.value_or(std::vector<LogLines>())) {
      out += text_.add(lines, bytes_of(lines).value_or(""));
    }
    if (!out.empty()) context_.console.print(out);
    for (const auto& note : reply.notes.value_or(std::vector<LogNote>())) say(note);
    for (const auto& place : reply.positions.value_or(std::vector<LogPosition>())) {
      positions_[place.file] = place.position;
    }
    return context_.console.output_error() == 0;
  }

  void say(const LogNote& note) {
    std::string of;
    if (note.source < sources_.size()) {
      const ShownLog& source = sources_[note.source];
      of = source.app + (source.stream == "err" ? " (err): " : ": ");
    }
    context_.console.say(printable(of + note.message));
  }

  const Context& context_;
  LogText text_;
  std::vector<ShownLog> sources_{};
  std::map<std::string, std::string> positions_{};  ///< by file, where to go on
  bool begun_ = false;   ///< something was shown: what went wrong then isn't the first call
  bool missed_ = false;  ///< it was said that the daemon is gone
};

}  // namespace

Answer<ExitCode> logs(const Context& context) {
  const auto& given = context.arguments.logs;
  if (given.reopen) return reopen_logs(context);
  if (given.err && given.out) {
    return wrong_operands(context, "takes --err or --out; both are shown without");
  }
  if (given.follow && given.until_ms) {
    return wrong_operands(context, "can't follow and end at a time");
  }
  if (given.grep) {
    const auto pattern = dixis::logs::Pattern::compile(*given.grep);
    if (!pattern) return Failure{Trouble::usage, pattern.error().message, pattern.error().hint};
  }
  Arguments arguments = context.arguments;
  const bool limited = given.since_ms || given.until_ms;
  if (!given.lines && !given.all_lines && !limited) arguments.logs.lines = kDefaultLines;
  const Context own{arguments, context.console};
  return Logs(own).run();
}

}  // namespace dixis::ctl
