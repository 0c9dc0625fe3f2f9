#include <algorithm>

#include "daemon/serve/handlers/follow.hpp"
#include "daemon/serve/handlers/handlers.hpp"
#include "daemon/serve/parameters.hpp"

namespace dixis::handlers {

namespace {

struct LoadParameters {
  std::optional<std::string> file{};
  std::optional<bool> dry_run{};
  std::optional<std::string> operation{};
};
BOOST_DESCRIBE_STRUCT(LoadParameters, (), (file, dry_run, operation))

struct AddParameters {
  std::string name{};
  NewApp app{};
  std::optional<std::string> operation{};
};
BOOST_DESCRIBE_STRUCT(AddParameters, (), (name, app, operation))

struct RemoveParameters {
  std::string name{};
  std::optional<std::string> operation{};
};
BOOST_DESCRIBE_STRUCT(RemoveParameters, (), (name, operation))

bool has_error(const std::vector<Problem>& problems) {
  return std::any_of(problems.begin(), problems.end(), [](const auto& p) { return !p.warning; });
}

varlink::Reply config_invalid(const std::vector<Problem>& problems) {
  return error_reply(varlink::error::kConfigInvalid, {{"problems", json::write(problems)}});
}

std::optional<varlink::Reply> refuse_change(const Supervisor& supervisor) {
  if (supervisor.shutting_down()) return error_reply(varlink::error::kShuttingDown);
  return std::nullopt;
}

Task<varlink::Reply> follow_change(CallContext context, Result<LoadReport> report) {
  if (!report) co_return failed(report.error());
  if (has_error(report->problems)) co_return config_invalid(report->problems);
  boost::json::object extra{{"file", report->file}};
  if (!report->operation) co_return reply(std::move(extra));
  co_return co_await follow(context, report->operation, true, std::move(extra));
}

}  // namespace

Task<varlink::Reply> load_config(CallContext context) {
  LoadParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  if (knows(context, parameters.operation)) {
    co_return co_await follow_again(context, *parameters.operation, "load", true);
  }
  std::optional<std::filesystem::path> file;
  if (parameters.file) {
    // Who chooses the file chooses what runs as root.
    if (context.role != Role::owner) co_return permission_denied();
    file = *parameters.file;
    if (!file->is_absolute()) co_return invalid_parameter("file");
  }
  if (auto refused = refuse_change(context.supervisor)) co_return *refused;

  auto caller = context.caller("load", parameters.operation.value_or(""));
  const LoadReport report = co_await shielded(
      context.supervisor.load(file, parameters.dry_run.value_or(false), std::move(caller)));
  if (has_error(report.problems)) co_return config_invalid(report.problems);
  boost::json::object extra{{"plan", json::write(report.plan)},
                            {"problems", json::write(report.problems)}};
  if (!report.operation) co_return reply(std::move(extra));
  co_return co_await follow(context, report.operation, true, std::move(extra));
}

Task<varlink::Reply> add(CallContext context) {
  AddParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  if (parameters.app.command.empty()) co_return invalid_parameter("app.command");
  if (knows(context, parameters.operation)) {
    co_return co_await follow_again(context, *parameters.operation, "add", true);
  }
  if (auto refused = refuse_change(context.supervisor)) co_return *refused;
  auto caller = context.caller("add", parameters.operation.value_or(""));
  auto report =
      co_await shielded(context.supervisor.add(parameters.name, parameters.app, std::move(caller)));
  co_return co_await follow_change(context, std::move(report));
}

Task<varlink::Reply> remove(CallContext context) {
  RemoveParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  if (knows(context, parameters.operation)) {
    co_return co_await follow_again(context, *parameters.operation, "remove", true);
  }
  if (auto refused = refuse_verb(context.supervisor, {parameters.name})) co_return *refused;
  auto caller = context.caller("remove", parameters.operation.value_or(""));
  auto report = co_await shielded(context.supervisor.remove(parameters.name, std::move(caller)));
  co_return co_await follow_change(context, std::move(report));
}

}  // namespace dixis::handlers
