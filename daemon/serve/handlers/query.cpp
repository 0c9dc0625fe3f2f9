#include <unistd.h>

#include "common/version.hpp"
#include "daemon/serve/handlers/follow.hpp"
#include "daemon/serve/handlers/handlers.hpp"
#include "daemon/serve/parameters.hpp"

namespace dixis::handlers {

namespace {

struct PingParameters {};
BOOST_DESCRIBE_STRUCT(PingParameters, (), ())

struct ListParameters {
  std::optional<std::vector<std::string>> targets{};
};
BOOST_DESCRIBE_STRUCT(ListParameters, (), (targets))

struct DescribeParameters {
  std::vector<std::string> targets{};
};
BOOST_DESCRIBE_STRUCT(DescribeParameters, (), (targets))

}  // namespace

Task<varlink::Reply> ping(CallContext context) {
  PingParameters none;
  if (const auto wrong = read_parameters(context.call.parameters, none)) {
    co_return invalid_parameter(*wrong);
  }
  co_return reply({{"pid", ::getpid()},
                   {"version", kVersion},
                   {"uptime_ms", context.supervisor.uptime().count()},
                   {"apps", context.supervisor.app_count()},
                   {"predecessor", json::write(context.supervisor.predecessor())}});
}

Task<varlink::Reply> list(CallContext context) {
  ListParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  const auto targets = parameters.targets.value_or(std::vector<std::string>());
  if (auto refused = refuse_targets(context.supervisor, targets)) co_return *refused;
  const auto instances = co_await shielded(context.supervisor.list(targets));
  co_return reply({{"instances", json::write(instances)}});
}

Task<varlink::Reply> describe(CallContext context) {
  DescribeParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  if (auto refused = refuse_targets(context.supervisor, parameters.targets)) co_return *refused;
  const auto descriptions = co_await shielded(context.supervisor.describe(parameters.targets));
  co_return reply({{"descriptions", json::write(descriptions)}});
}

}  // namespace dixis::handlers
