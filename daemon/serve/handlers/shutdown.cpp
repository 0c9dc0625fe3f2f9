#include "daemon/serve/handlers/handlers.hpp"
#include "daemon/serve/parameters.hpp"

namespace dixis::handlers {

namespace {

struct ShutdownParameters {};
BOOST_DESCRIBE_STRUCT(ShutdownParameters, (), ())

}  // namespace

Task<varlink::Reply> shutdown(CallContext context) {
  ShutdownParameters none;
  if (const auto wrong = read_parameters(context.call.parameters, none)) {
    co_return invalid_parameter(*wrong);
  }
  context.supervisor.request_shutdown();
  co_return reply();
}

}  // namespace dixis::handlers
