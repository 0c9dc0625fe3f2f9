#include "daemon/serve/handlers/follow.hpp"
#include "daemon/serve/handlers/handlers.hpp"
#include "daemon/serve/log_view.hpp"
#include "daemon/serve/parameters.hpp"

namespace dixis::handlers {

namespace {

struct LogsParameters {
  std::optional<std::vector<std::string>> targets{};
  std::optional<bool> follow{};
  std::optional<std::uint64_t> lines{};
  std::optional<std::uint64_t> since_ms{};
  std::optional<std::uint64_t> until_ms{};
  std::optional<std::string> grep{};
  std::optional<std::string> stream{};
  std::optional<std::uint32_t> instance{};
  std::optional<bool> last_life{};
  std::optional<std::vector<LogPosition>> from{};
};
BOOST_DESCRIBE_STRUCT(LogsParameters, (),
                      (targets, follow, lines, since_ms, until_ms, grep, stream, instance,
                       last_life, from))

/// The name of the first parameter whose value makes no sense.
std::optional<std::string> take(const LogsParameters& parameters, LogRequest& request) {
  if (parameters.stream && *parameters.stream != "out" && *parameters.stream != "err") {
    return "stream";
  }
  for (const auto& place : parameters.from.value_or(std::vector<LogPosition>())) {
    const auto position = logs::parse_position(place.position);
    if (!position) return "from";
    request.from[place.file] = *position;
  }
  request.targets = parameters.targets.value_or(Supervisor::Targets());
  request.stream = parameters.stream;
  request.instance = parameters.instance;
  request.follow = parameters.follow.value_or(false);
  request.grep = parameters.grep;
  request.query.lines = parameters.lines;
  request.query.since_ms = parameters.since_ms;
  request.query.until_ms = parameters.until_ms;
  return std::nullopt;
}

}  // namespace

Task<varlink::Reply> logs(CallContext context) {
  LogsParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  LogRequest request;
  if (const auto wrong = take(parameters, request)) co_return invalid_parameter(*wrong);
  if (!context.call.more) co_return error_reply(varlink::error::kExpectedMore);
  if (auto refused = refuse_targets(context.supervisor, request.targets)) co_return *refused;

  if (parameters.last_life.value_or(false)) {
    request.lives = co_await shielded(context.supervisor.last_lives(request.targets));
  }
  auto showing = show_logs(context.supervisor, context.stream, std::move(request));
  const auto shown = co_await std::move(showing);
  co_return shown ? reply() : failed(shown.error());
}

}  // namespace dixis::handlers
