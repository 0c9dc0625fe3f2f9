#include "daemon/model/words.hpp"
#include "daemon/serve/handlers/follow.hpp"
#include "daemon/serve/handlers/handlers.hpp"
#include "daemon/serve/parameters.hpp"

namespace dixis::handlers {

namespace {

struct SignalParameters {
  std::vector<std::string> targets{};
  std::string signal{};
  std::optional<bool> tree{};
};
BOOST_DESCRIBE_STRUCT(SignalParameters, (), (targets, signal, tree))

}  // namespace

Task<varlink::Reply> signal(CallContext context) {
  SignalParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  const auto number = parse_signal(parameters.signal);
  if (!number) co_return invalid_parameter("signal");
  if (auto refused = refuse_verb(context.supervisor, parameters.targets)) co_return *refused;
  const auto signaled = co_await shielded(context.supervisor.signal(
      parameters.targets, *number, parameters.tree.value_or(false), context.caller("signal")));
  if (!signaled) co_return failed(signaled.error());
  co_return reply({{"signaled", json::write(*signaled)}});
}

}  // namespace dixis::handlers
