#include "daemon/serve/handlers/follow.hpp"
#include "daemon/serve/handlers/handlers.hpp"
#include "daemon/serve/parameters.hpp"

namespace dixis::handlers {

namespace {

struct FollowParameters {
  std::string operation{};
  std::optional<bool> wait{};
};
BOOST_DESCRIBE_STRUCT(FollowParameters, (), (operation, wait))

}  // namespace

Task<varlink::Reply> follow_operation(CallContext context) {
  FollowParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  co_return co_await follow_again(context, parameters.operation, nullptr,
                                  parameters.wait.value_or(true));
}

}  // namespace dixis::handlers
