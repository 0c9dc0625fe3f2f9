#include <algorithm>

#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {
namespace {

constexpr std::int64_t kAllDeaths = 50;
/// A probe has a timeout of its own, which may be longer than what a question may take.
constexpr std::chrono::seconds kProbeTime{60};

Answer<std::vector<InstanceStatus>> rows_of(const Context& context) {
  auto client = connect(context);
  if (!client) return client.error();
  const auto reply = client->ask(method_name("List"), {{"targets", targets_of(context.arguments)}});
  if (!reply) return reply.error();
  return field_of<std::vector<InstanceStatus>>(*reply, "instances");
}

}  // namespace

Answer<ExitCode> why(const Context& context) {
  if (context.arguments.operands.empty()) return wrong_operands(context, "name an app, or 'all'");
  auto client = connect(context);
  if (!client) return client.error();
  const auto reply =
      client->ask(method_name("Deaths"), {{"targets", targets_of(context.arguments)},
                                          {"limit", context.arguments.all ? kAllDeaths : 1}});
  if (!reply) return reply.error();
  const auto deaths = field_of<std::vector<DeathRecord>>(*reply, "deaths");
  if (!deaths) return deaths.error();
  if (context.arguments.json) {
    context.console.print_json(reply->at("deaths"));
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
  auto client = connect(Context{patient, context.console});
  if (!client) return client.error();
  const auto reply =
      client->ask(method_name("Probe"), {{"targets", targets_of(context.arguments)}});
  if (!reply) return reply.error();
  const auto probes = field_of<std::vector<ProbeReport>>(*reply, "probes");
  if (!probes) return probes.error();
  if (context.arguments.json) {
    context.console.print_json(reply->at("probes"));
  } else {
    const auto instances = rows_of(context);
    if (!instances) return instances.error();
    context.console.print(probe_view(*probes, *instances, context.console.look()));
  }
  const bool good = std::all_of(probes->begin(), probes->end(),
                                [](const ProbeReport& report) { return report.good; });
  return good ? ExitCode::done : ExitCode::failed;
}

}  // namespace dixis::ctl
