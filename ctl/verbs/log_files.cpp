#include "ctl/render/text.hpp"
#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {
namespace {

/// The daemon waits up to 5 s for a disk that hangs; its answer is better than none.
constexpr std::chrono::seconds kDiskTime{5};

Answer<boost::json::object> ask(const Context& context, const char* method,
                                boost::json::object parameters) {
  Arguments patient = context.arguments;
  patient.timeout += kDiskTime;
  auto client = connect(Context{patient, context.console});
  if (!client) return client.error();
  return client->ask(method_name(method), std::move(parameters));
}

}  // namespace

Answer<ExitCode> flush(const Context& context) {
  if (context.arguments.operands.empty()) return wrong_operands(context, "name an app, or 'all'");
  const auto reply = ask(context, "Flush", {{"targets", targets_of(context.arguments)}});
  if (!reply) return reply.error();
  const auto names = array_of(*reply, "apps");
  if (!names) return names.error();
  const auto apps = field_of<std::vector<std::string>>(*reply, "apps");
  if (!apps) return apps.error();
  if (context.arguments.json) {
    context.console.print_json(boost::json::value(*names));
    return ExitCode::done;
  }
  for (const auto& app : *apps) context.console.print(printable(app) + ": logs emptied\n");
  return ExitCode::done;
}

Answer<ExitCode> reopen_logs(const Context& context) {
  if (!context.arguments.operands.empty()) {
    return wrong_operands(context, "--reopen is for the logs of all apps: name none");
  }
  const auto reply = ask(context, "Reopen", {});
  if (!reply) return reply.error();
  const auto files = field_of<std::uint64_t>(*reply, "files");
  if (!files) return files.error();
  if (context.arguments.json) {
    context.console.print_json(boost::json::object{{"files", *files}});
  } else {
    context.console.print(std::to_string(*files) + " log files reopened\n");
  }
  return ExitCode::done;
}

}  // namespace dixis::ctl
