#include <algorithm>
#include <set>

#include "common/version.hpp"
#include "ctl/render/text.hpp"
#include "ctl/render/units.hpp"
#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {
namespace {

/// The instances that were named, themselves or by their app, and aren't online. Globs and 'all'
/// name nothing in particular.
std::string not_online(const Arguments& arguments, const std::vector<InstanceStatus>& instances) {
  std::string out;
  for (const InstanceStatus& instance : instances) {
    const std::string slot = slot_name(instance.app, instance.instance, true);
    const bool named =
        std::any_of(arguments.operands.begin(), arguments.operands.end(),
                    [&](const std::string& name) { return name == instance.app || name == slot; });
    if (!named || instance.state == State::online) continue;
    out += (out.empty() ? "" : ", ") +
           printable(slot_name(instance.app, instance.instance, instance.instance > 0)) + " (" +
           state_name(instance.state) + ")";
  }
  return out;
}

void warn_of_mismatch(const Context& context, const std::string& daemon) {
  if (daemon.empty() || daemon == kVersion) return;
  context.console.say("warning: dixisctl is " + std::string(kVersion) + ", the daemon is " +
                      printable(daemon) + ": they work together, but restart or upgrade the older");
}

}  // namespace

Answer<ExitCode> list(const Context& context) {
  boost::json::object parameters;
  if (!context.arguments.operands.empty()) parameters["targets"] = targets_of(context.arguments);
  const auto reply = question(context, method_name("List"), std::move(parameters));
  if (!reply) return reply.error();
  const auto rows = array_of(*reply, "instances");
  if (!rows) return rows.error();
  const auto instances = field_of<std::vector<InstanceStatus>>(*reply, "instances");
  if (!instances) return instances.error();

  if (context.arguments.json) {
    context.console.print_json(boost::json::value(*rows));
  } else {
    context.console.print(list_view(*instances, context.console.look()));
  }
  const std::string missing = not_online(context.arguments, *instances);
  if (missing.empty()) return ExitCode::done;
  context.console.say("not online: " + missing);
  return ExitCode::no_such_app;
}

Answer<ExitCode> describe(const Context& context) {
  if (context.arguments.operands.empty()) {
    return wrong_operands(context, "name an app, or 'all'");
  }
  const auto reply =
      question(context, method_name("Describe"), {{"targets", targets_of(context.arguments)}});
  if (!reply) return reply.error();
  const auto pages = array_of(*reply, "descriptions");
  if (!pages) return pages.error();
  if (context.arguments.json) {
    context.console.print_json(boost::json::value(*pages));
    return ExitCode::done;
  }
  const auto descriptions = field_of<std::vector<Description>>(*reply, "descriptions");
  if (!descriptions) return descriptions.error();
  context.console.print(describe_view(*descriptions, context.console.look()));
  return ExitCode::done;
}

Answer<ExitCode> ping(const Context& context) {
  const auto reply = question(context, method_name("Ping"), {});
  if (!reply) return reply.error();
  const auto version = field_of<std::string>(*reply, "version");
  if (!version) return version.error();
  const auto pid = field_of<std::int64_t>(*reply, "pid");
  if (!pid) return pid.error();
  const auto uptime = field_of<std::chrono::milliseconds>(*reply, "uptime_ms");
  if (!uptime) return uptime.error();
  const auto apps = field_of<std::int64_t>(*reply, "apps");
  if (!apps) return apps.error();
  const auto predecessor = field_of<std::optional<std::string>>(*reply, "predecessor");
  if (!predecessor) return predecessor.error();

  warn_of_mismatch(context, *version);
  if (context.arguments.json) {
    context.console.print_json(boost::json::value(*reply));
  } else {
    context.console.print("dixisd " + printable(*version) + " answers: pid " +
                          std::to_string(*pid) + ", up " + uptime_words(*uptime) + ", " +
                          std::to_string(*apps) + (*apps == 1 ? " app\n" : " apps\n"));
    if (*predecessor) context.console.print(printable(**predecessor) + "\n");
  }
  return ExitCode::done;
}

Answer<ExitCode> version(const Context& context) {
  const auto reply = question(context, "org.varlink.service.GetInfo", {});
  std::string daemon;
  if (reply) {
    const auto read = field_of<std::string>(*reply, "version");
    if (!read) return read.error();
    daemon = *read;
  }
  if (context.arguments.json) {
    context.console.print_json(boost::json::value{
        {"client", kVersion},
        {"daemon", reply ? boost::json::value(daemon) : boost::json::value(nullptr)}});
  } else {
    context.console.print("dixisctl " + std::string(kVersion) + "\n");
    if (reply) context.console.print("dixisd " + printable(daemon) + "\n");
  }
  if (!reply) return reply.error();
  warn_of_mismatch(context, daemon);
  return ExitCode::done;
}

Answer<ExitCode> app_names(const Context& context) {
  const auto reply = question(context, method_name("List"), {});
  if (!reply) return ExitCode::done;
  const auto instances = field_of<std::vector<InstanceStatus>>(*reply, "instances");
  if (!instances) return ExitCode::done;
  std::set<std::string> names;
  for (const InstanceStatus& instance : *instances) names.insert(instance.app);
  for (const std::string& name : names) context.console.print(printable(name) + "\n");
  return ExitCode::done;
}

}  // namespace dixis::ctl
