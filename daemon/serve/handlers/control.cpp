#include "daemon/serve/handlers/follow.hpp"
#include "daemon/serve/handlers/handlers.hpp"
#include "daemon/serve/parameters.hpp"
#include "daemon/serve/replies.hpp"

namespace dixis::handlers {

namespace {

struct VerbParameters {
  std::vector<std::string> targets{};
  std::optional<bool> wait{};
  std::optional<std::string> operation{};
};
BOOST_DESCRIBE_STRUCT(VerbParameters, (), (targets, wait, operation))

struct RestartParameters {
  std::vector<std::string> targets{};
  std::optional<bool> wait{};
  std::optional<bool> force{};
  std::optional<std::string> operation{};
};
BOOST_DESCRIBE_STRUCT(RestartParameters, (), (targets, wait, force, operation))

struct ReloadParameters {
  std::vector<std::string> targets{};
  std::optional<bool> wait{};
  std::optional<bool> or_restart{};
  std::optional<std::string> operation{};
};
BOOST_DESCRIBE_STRUCT(ReloadParameters, (), (targets, wait, or_restart, operation))

struct ScaleParameters {
  std::string app{};
  std::int64_t instances{};
  std::optional<bool> wait{};
  std::optional<std::string> operation{};
};
BOOST_DESCRIBE_STRUCT(ScaleParameters, (), (app, instances, wait, operation))

constexpr std::int64_t kMostInstances = 1000;

}  // namespace

Task<varlink::Reply> start(CallContext context) {
  VerbParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  if (knows(context, parameters.operation)) {
    co_return co_await follow_again(context, *parameters.operation, "start",
                                    parameters.wait.value_or(true));
  }
  if (auto refused = refuse_verb(context.supervisor, parameters.targets)) co_return *refused;
  auto caller = context.caller("start", parameters.operation.value_or(""));
  auto operation = context.supervisor.start(parameters.targets, std::move(caller));
  co_return co_await follow(context, std::move(operation), parameters.wait.value_or(true));
}

Task<varlink::Reply> stop(CallContext context) {
  VerbParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  if (knows(context, parameters.operation)) {
    co_return co_await follow_again(context, *parameters.operation, "stop",
                                    parameters.wait.value_or(true));
  }
  if (auto refused = refuse_verb(context.supervisor, parameters.targets)) co_return *refused;
  auto caller = context.caller("stop", parameters.operation.value_or(""));
  auto operation = context.supervisor.stop(parameters.targets, std::move(caller));
  co_return co_await follow(context, std::move(operation), parameters.wait.value_or(true));
}

Task<varlink::Reply> restart(CallContext context) {
  RestartParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  if (knows(context, parameters.operation)) {
    co_return co_await follow_again(context, *parameters.operation, "restart",
                                    parameters.wait.value_or(true));
  }
  if (auto refused = refuse_verb(context.supervisor, parameters.targets)) co_return *refused;
  if (!parameters.wait.value_or(true) && !parameters.force.value_or(false)) {
    if (const auto busy = context.supervisor.busy_build(parameters.targets)) {
      co_return failed(busy->message, busy->hint);
    }
  }
  auto caller = context.caller("restart", parameters.operation.value_or(""));
  auto operation = context.supervisor.restart(parameters.targets, parameters.force.value_or(false),
                                              std::move(caller));
  co_return co_await follow(context, std::move(operation), parameters.wait.value_or(true));
}

Task<varlink::Reply> reload(CallContext context) {
  ReloadParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  if (knows(context, parameters.operation)) {
    co_return co_await follow_again(context, *parameters.operation, "reload",
                                    parameters.wait.value_or(true));
  }
  if (auto refused = refuse_verb(context.supervisor, parameters.targets)) co_return *refused;
  if (!parameters.wait.value_or(true)) {
    if (const auto busy = context.supervisor.busy_build(parameters.targets)) {
      co_return failed(busy->message, busy->hint);
    }
  }
  auto caller = context.caller("reload", parameters.operation.value_or(""));
  auto operation = context.supervisor.reload(
      parameters.targets, parameters.or_restart.value_or(false), std::move(caller));
  co_return co_await follow(context, std::move(operation), parameters.wait.value_or(true));
}

Task<varlink::Reply> scale(CallContext context) {
  ScaleParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  if (parameters.instances < 1 || parameters.instances > kMostInstances) {
    co_return invalid_parameter("instances");
  }
  if (auto refused = refuse_verb(context.supervisor, {parameters.app})) co_return *refused;
  if (!context.supervisor.is_app(parameters.app)) co_return invalid_parameter("app");
  auto operation =
      context.supervisor.scale(parameters.app, static_cast<std::uint32_t>(parameters.instances),
                               context.caller("scale", parameters.operation.value_or("")));
  co_return co_await follow(context, std::move(operation), parameters.wait.value_or(true));
}

}  // namespace dixis::handlers
