#include "daemon/serve/handlers/handlers.hpp"
#include "daemon/serve/parameters.hpp"

namespace dixis::handlers {

namespace {

struct UpgradeParameters {
  std::optional<std::string> binary{};
};
BOOST_DESCRIBE_STRUCT(UpgradeParameters, (), (binary))

/// The probe of the candidate, what is written before, and taking everything back.
constexpr std::int64_t kDeadlineMs = 45'000;

}  // namespace

Task<varlink::Reply> upgrade(CallContext context) {
  UpgradeParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  std::optional<std::filesystem::path> binary;
  if (parameters.binary) {
    binary = *parameters.binary;
    if (!binary->is_absolute()) co_return invalid_parameter("binary");
  }
  if (context.supervisor.shutting_down()) co_return error_reply(varlink::error::kShuttingDown);
  boost::json::object accepted;
  accepted["deadline_ms"] = kDeadlineMs;
  if (context.call.more) co_await context.stream.send(std::move(accepted));
  auto client = context.call.oneway ? UniqueFd() : context.stream.copy_socket();
  // Where this returns, nothing was upgraded; else the next image answers.
  const Error why = co_await shielded(
      context.supervisor.upgrade(std::move(binary), std::move(client), context.caller("upgrade")));
  co_return failed(why);
}

}  // namespace dixis::handlers
