#include <algorithm>

#include "daemon/serve/handlers/follow.hpp"
#include "daemon/serve/handlers/handlers.hpp"
#include "daemon/serve/parameters.hpp"

namespace dixis::handlers {

namespace {

constexpr std::int64_t kMostDeaths = 50;

struct DeathsParameters {
  std::vector<std::string> targets{};
  std::optional<std::int64_t> limit{};
};
BOOST_DESCRIBE_STRUCT(DeathsParameters, (), (targets, limit))

struct ProbeParameters {
  std::vector<std::string> targets{};
};
BOOST_DESCRIBE_STRUCT(ProbeParameters, (), (targets))

}  // namespace

Task<varlink::Reply> deaths(CallContext context) {
  DeathsParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  const auto limit = parameters.limit.value_or(1);
  if (limit < 1) co_return invalid_parameter("limit");
  if (auto refused = refuse_targets(context.supervisor, parameters.targets)) co_return *refused;
  const auto most = static_cast<std::size_t>(std::min(limit, kMostDeaths));
  const auto found = co_await shielded(context.supervisor.deaths(parameters.targets, most));
  if (!found) co_return failed(found.error());
  co_return reply({{"deaths", json::write(*found)}});
}

Task<varlink::Reply> probe(CallContext context) {
  ProbeParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  if (auto refused = refuse_targets(context.supervisor, parameters.targets)) co_return *refused;
  const auto found = co_await shielded(context.supervisor.probe(parameters.targets));
  co_return reply({{"probes", json::write(found)}});
}

}  // namespace dixis::handlers
