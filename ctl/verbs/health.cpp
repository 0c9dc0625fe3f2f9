#include <algorithm>

#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {
namespace {

constexpr std::int64_t kAllDeaths = 50;
/// A probe has a timeout of its own, which may be longer than what a question may take.
constexpr std::chrono::seconds kProbeTime{60};

/// What is down because somebody wants it so is no failure, unless it was named.
bool may_be_down(const Arguments& arguments, const InstanceStatus& instance) {
  const auto& names = arguments.operands;
  const bool named = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return name == instance.app || name == slot_name(instance.app, instance.instance, true);
  });
  return instance.desired == Desired::down && !named;
}

Answer<std::vector<InstanceStatus>> rows_of(const Context& context) {
  const auto reply =
      question(context, method_name("List"), {{"targets", targets_of(context.arguments)}});
  if (!reply) return reply.error();
  if (const auto rows = array_of(*reply, "instances"); !rows) return rows.error();
  return field_of<std::vector<InstanceStatus>>(*reply, "instances");
}

}  // namespace

Answer<ExitCode> why(const Context& context) {
  if (context.arguments.operands.empty()) return wrong_operands(context, "name an app, or 'all'");
  const auto reply = question(context, method_name("Deaths"),
                              {{"targets", targets_of(context.arguments)},
                               {"limit", context.arguments.all ? kAllDeaths : 1}});
  if (!reply) return reply.error();
  const auto records = array_of(*reply, "deaths");
  if (!records) return records.error();
  const auto deaths = field_of<std::vector<DeathRecord>>(*reply, "deaths");
  if (!deaths) return deaths.error();
  if (context.arguments.json) {
    context.console.print_json(boost::json::value(*records));
    return ExitCode::done;
  }
  const auto instances = rows_of(context);
  if (!instances) return instances.error();
  context.console.print(why_view(*deaths, *instances, context.console.look()));
  return ExitCode::done;
}

Answer<ExitCode> probe(const Context& context) {
  if (context.arguments.operands.empty()) return wrong_operands(context, "name an app, or 'all'");
  Arguments patient = context.arguments;
  patient.timeout += kProbeTime;
  const auto reply = question(Context{patient, context.console}, method_name("Probe"),
                              {{"targets", targets_of(context.arguments)}});
  if (!reply) return reply.error();
  const auto reports = array_of(*reply, "probes");
  if (!reports) return reports.error();
  const auto probes = field_of<std::vector<ProbeReport>>(*reply, "probes");
  if (!probes) return probes.error();
  const auto instances = rows_of(context);
  if (!instances) return instances.error();
  if (context.arguments.json) {
    context.console.print_json(boost::json::value(*reports));
  } else {
    context.console.print(probe_view(*probes, *instances, context.console.look()));
  }
  const bool good = std::all_of(probes->begin(), probes->end(),
                                [](const ProbeReport& report) { return report.good; });
  const bool alive = std::all_of(
      instances->begin(), instances->end(),
      [&](const InstanceStatus& each) { return each.pid || may_be_down(context.arguments, each); });
  return good && alive ? ExitCode::done : ExitCode::failed;
}

}  // namespace dixis::ctl
