#include "daemon/serve/handlers/follow.hpp"
#include "daemon/serve/handlers/handlers.hpp"
#include "daemon/serve/parameters.hpp"

namespace dixis::handlers {

namespace {

struct FlushParameters {
  std::vector<std::string> targets{};
};
BOOST_DESCRIBE_STRUCT(FlushParameters, (), (targets))

struct NoParameters {};
BOOST_DESCRIBE_STRUCT(NoParameters, (), ())

}  // namespace

Task<varlink::Reply> flush(CallContext context) {
  FlushParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  if (parameters.targets.empty()) co_return invalid_parameter("targets");
  if (auto refused = refuse_verb(context.supervisor, parameters.targets)) co_return *refused;
  auto flushing = context.supervisor.flush_logs(parameters.targets, context.caller("flush"));
  const auto flushed = co_await shielded(std::move(flushing));
  if (!flushed) co_return failed(flushed.error());
  co_return reply({{"apps", json::write(*flushed)}});
}

Task<varlink::Reply> reopen(CallContext context) {
  NoParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  auto reopening = context.supervisor.reopen_logs();
  const auto files = co_await shielded(std::move(reopening));
  if (!files) co_return failed(files.error());
  co_return reply({{"files", *files}});
}

}  // namespace dixis::handlers
