#include <map>

#include "ctl/render/text.hpp"
#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {
namespace {

void say_warnings(const Context& context, const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) {
    context.console.say("warning: " + printable(warning));
  }
}

void print_outcomes(const Context& context, const std::vector<Outcome>& outcomes) {
  std::map<std::string, int> slots;
  for (const Outcome& outcome : outcomes) ++slots[outcome.app];
  for (const Outcome& outcome : outcomes) {
    const bool several = slots[outcome.app] > 1 || outcome.instance > 0;
    if (outcome.ok) {
      context.console.print(outcome_line(outcome, several, context.console.look()) + "\n");
    } else {
      context.console.say(outcome_line(outcome, several, context.console.error_look()));
    }
  }
}

}  // namespace

Answer<ExitCode> report(const Context& context, const boost::json::object& reply, bool waited) {
  const auto read = read_as<VerbReply>(reply);
  if (!read) return read.error();
  if (waited && !read->outcomes) {
    return Failure{Trouble::malformed, "the daemon ended the verb without saying how it went",
                   "look with `dixisctl list`; compare the versions with `dixisctl version`"};
  }
  if (context.arguments.json) context.console.print_json(boost::json::value(reply));
  say_warnings(context, read->warnings.value_or(std::vector<std::string>()));

  const auto outcomes = read->outcomes.value_or(std::vector<Outcome>());
  bool ok = !read->not_durable;
  for (const Outcome& outcome : outcomes) ok = ok && outcome.ok;
  if (!context.arguments.json) {
    print_outcomes(context, outcomes);
    if (!read->outcomes) context.console.print("accepted; `dixisctl list` shows how it goes on\n");
    if (waited && outcomes.empty()) context.console.print("nothing to do\n");
  }
  if (read->not_durable) {
    context.console.say("done, but it would not survive a reboot: " +
                        printable(*read->not_durable));
  }
  return ok ? ExitCode::done : ExitCode::failed;
}

Failure wrong_operands(const Context& context, std::string message) {
  const std::string verb(context.arguments.verb->name);
  return {Trouble::usage, verb + ": " + std::move(message),
          "usage: dixisctl " + verb + " " + std::string(context.arguments.verb->arguments)};
}

}  // namespace dixis::ctl
