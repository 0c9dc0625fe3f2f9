#include "ctl/render/text.hpp"
#include "ctl/stream.hpp"
#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {
namespace {

Answer<void> say_problems(const Context& context, const boost::json::object& reply) {
  const auto problems = field_of<std::vector<Problem>>(reply, "problems");
  if (!problems) return problems.error();
  for (const Problem& problem : *problems) {
    context.console.say(problem_line(problem, context.console.error_look()));
  }
  return {};
}

/// As report(), for verbs whose last reply may hold no outcome because no app was touched.
Answer<ExitCode> report_load(const Context& context, boost::json::object reply) {
  const auto said = say_problems(context, reply);
  if (!said) return said.error();
  const boost::json::value* outcomes = reply.if_contains("outcomes");
  if (outcomes == nullptr || outcomes->is_null()) reply["outcomes"] = boost::json::array();
  return report(context, reply, true);
}

}  // namespace

Answer<ExitCode> load(const Context& context) {
  const Arguments& arguments = context.arguments;
  if (arguments.operands.size() > 1) return wrong_operands(context, "name one file at most");
  boost::json::object parameters;
  if (!arguments.operands.empty()) {
    const auto file = absolute_path(arguments.operands.front());
    if (!file) return file.error();
    parameters["file"] = *file;
  }
  if (arguments.dry_run) parameters["dry_run"] = true;
  auto reply = carry_out(
      context, {"LoadConfig", std::move(parameters), "loading the configuration", true, true});
  if (!reply) return reply.error();
  if (!arguments.dry_run) return report_load(context, std::move(*reply));

  const auto said = say_problems(context, *reply);
  if (!said) return said.error();
  const auto plan = field_of<std::vector<PlanItem>>(*reply, "plan");
  if (!plan) return plan.error();
  if (arguments.json) {
    context.console.print_json(boost::json::value(*reply));
  } else {
    context.console.print(plan_view(*plan, context.console.look()));
  }
  return ExitCode::done;
}

Answer<ExitCode> add(const Context& context) {
  const Arguments& arguments = context.arguments;
  if (arguments.operands.size() != 1 || arguments.command.empty()) {
    return wrong_operands(context, "needs one name, and its command behind `--`");
  }
  const auto cwd = absolute_path(arguments.cwd.value_or("."));
  if (!cwd) return cwd.error();
  boost::json::object app{{"command", json::write(arguments.command)}, {"cwd", *cwd}};
  if (arguments.user) app["user"] = *arguments.user;
  if (!arguments.env.empty()) app["env"] = json::write(arguments.env);
  if (arguments.port) app["port"] = *arguments.port;
  const std::string& name = arguments.operands.front();
  auto reply = carry_out(
      context, {"Add", {{"name", name}, {"app", std::move(app)}}, "adding " + name, true, true});
  if (!reply) return reply.error();
  const auto file = field_of<std::string>(*reply, "file");
  auto ended = report_load(context, std::move(*reply));
  if (ended && *ended == ExitCode::failed) {
    context.console.say(
        "hint: it stays configured" + (file ? " in " + printable(*file) : std::string()) +
        ": correct that and call `dixisctl load`, or undo it with `dixisctl remove " +
        printable(name) + "`");
  }
  return ended;
}

Answer<ExitCode> remove(const Context& context) {
  if (context.arguments.operands.size() != 1) return wrong_operands(context, "needs one name");
  const std::string& name = context.arguments.operands.front();
  auto reply = carry_out(context, {"Remove", {{"name", name}}, "removing " + name, true, true});
  if (!reply) return reply.error();
  return report_load(context, std::move(*reply));
}

}  // namespace dixis::ctl
