#include <charconv>
#include <set>

#include "ctl/render/text.hpp"
#include "ctl/stream.hpp"
#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {
namespace {

Answer<ExitCode> operate(const Context& context, const std::string& doing,
                         boost::json::object parameters) {
  const Arguments& arguments = context.arguments;
  if (arguments.operands.empty()) return wrong_operands(context, "name an app, or 'all'");
  parameters["targets"] = targets_of(arguments);
  if (arguments.no_wait) parameters["wait"] = false;
  const std::string what = arguments.operands.size() == 1
                               ? arguments.operands.front()
                               : std::to_string(arguments.operands.size()) + " apps";
  const auto reply = carry_out(context, {std::string(arguments.verb->method), std::move(parameters),
                                         doing + " " + what, !arguments.no_wait, true});
  if (!reply) return reply.error();
  return report(context, *reply, !arguments.no_wait);
}

}  // namespace

Answer<ExitCode> start(const Context& context) {
  return operate(context, "starting", {});
}

Answer<ExitCode> stop(const Context& context) {
  return operate(context, "stopping", {});
}

Answer<ExitCode> restart(const Context& context) {
  boost::json::object parameters;
  if (context.arguments.force) parameters["force"] = true;
  return operate(context, "restarting", std::move(parameters));
}

Answer<ExitCode> reload(const Context& context) {
  boost::json::object parameters;
  if (context.arguments.or_restart) parameters["or_restart"] = true;
  return operate(context, "reloading", std::move(parameters));
}

Answer<ExitCode> scale(const Context& context) {
  const Arguments& arguments = context.arguments;
  if (arguments.operands.size() != 2) {
    return wrong_operands(context, "name an app and a number: dixisctl scale frontend 4");
  }
  const std::string& text = arguments.operands.back();
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1 || number > 1000) {
    return wrong_operands(context, "'" + text + "' is no number of instances: 1 to 1000");
  }
  boost::json::object parameters{{"app", arguments.operands.front()}, {"instances", number}};
  if (arguments.no_wait) parameters["wait"] = false;
  const auto reply =
      carry_out(context, {"Scale", std::move(parameters), "scaling " + arguments.operands.front(),
                          !arguments.no_wait});
  if (!reply) return reply.error();
  return report(context, *reply, !arguments.no_wait);
}

Answer<ExitCode> send_signal(const Context& context) {
  const Arguments& arguments = context.arguments;
  if (arguments.operands.size() < 2) {
    return wrong_operands(context, "name a signal and an app: dixisctl signal HUP frontend");
  }
  boost::json::array targets = targets_of(arguments);
  targets.erase(targets.begin());
  auto client = connect(context);
  if (!client) return client.error();
  const auto reply = client->ask(method_name("Signal"), {{"targets", std::move(targets)},
                                                         {"signal", arguments.operands.front()},
                                                         {"tree", arguments.tree}});
  if (!reply) return reply.error();
  const auto entries = field_of<std::vector<boost::json::object>>(*reply, "signaled");
  if (!entries) return entries.error();
  if (arguments.json) {
    boost::json::array out(entries->begin(), entries->end());
    context.console.print_json(boost::json::value(std::move(out)));
  }
  std::set<std::string> reached;  // apps, and slots as NAME:N
  for (const boost::json::object& entry : *entries) {
    const auto app = field_of<std::string>(entry, "app");
    const auto instance = field_of<std::uint32_t>(entry, "instance");
    const auto pids = field_of<std::vector<std::int64_t>>(entry, "pids");
    if (!app) return app.error();
    if (!instance) return instance.error();
    if (!pids) return pids.error();
    const std::string name = printable(slot_name(*app, *instance, *instance > 0));
    if (pids->empty()) {
      context.console.say(name + ": has no process, nothing was signalled");
      continue;
    }
    reached.insert({*app, slot_name(*app, *instance, true)});
    std::string line = name + ": sent to pid";
    for (const std::int64_t pid : *pids) line += " " + std::to_string(pid);
    if (!arguments.json) context.console.print(line + "\n");
  }
  // Globs and 'all' may match what has no process; what was named by its name must be reached.
  for (const std::string& target : arguments.operands) {
    if (&target == &arguments.operands.front() || target == "all") continue;
    const bool glob = target.find_first_of("*?[") != std::string::npos;
    if (!glob && !reached.contains(target)) return ExitCode::failed;
  }
  return reached.empty() ? ExitCode::failed : ExitCode::done;
}

}  // namespace dixis::ctl
