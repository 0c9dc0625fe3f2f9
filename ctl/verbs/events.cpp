#include "ctl/stream.hpp"
#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {
namespace {

Answer<void> show(const Context& context, const boost::json::object& parameters) {
  const auto event = field_of<std::optional<Event>>(parameters, "event");
  if (!event) return event.error();
  if (!*event) return {};
  if (context.arguments.json) {
    context.console.print_json(parameters.at("event"));
  } else {
    context.console.print(event_line(**event, context.console.look()) + "\n");
  }
  return {};
}

}  // namespace

Answer<ExitCode> events(const Context& context) {
  const Arguments& arguments = context.arguments;
  auto client = connect(context);
  if (!client) return client.error();
  boost::json::object parameters;
  if (!arguments.operands.empty()) parameters["targets"] = targets_of(arguments);
  client->catch_interrupts();
  client->watch_output();
  StreamDeadline deadline(Clock::now(), arguments.timeout, arguments.silence_timeout);
  const auto sent =
      client->send({method_name("Subscribe"), std::move(parameters), true, false}, deadline.end());
  if (!sent) return sent.error();
  while (context.console.output_error() == 0) {
    const auto reply = client->receive(deadline.end());
    if (!reply) {
      // Both are how a person or a pipe ends this verb; there is nothing to explain.
      if (reply.error().trouble == Trouble::interrupted) return ExitCode::interrupted;
      if (reply.error().trouble == Trouble::output) return ExitCode::done;
      return reply.error();
    }
    if (!*reply) return client->no_answer(deadline.trouble(), deadline.waited());
    deadline.heard(Clock::now(), std::nullopt);
    const auto shown = show(context, (*reply)->parameters);
    if (!shown) return shown.error();
    if (!(*reply)->continues) {
      return Failure{Trouble::closed, "the daemon ended the stream of events",
                     "it is stopping or restarting: call again when it is back"};
    }
  }
  return ExitCode::done;
}

}  // namespace dixis::ctl
