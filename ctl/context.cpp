#include "ctl/context.hpp"

#include "common/paths.hpp"

namespace dixis::ctl {

Answer<Client> connect(const Context& context) {
  const auto candidates = context.arguments.socket
                              ? std::vector<std::filesystem::path>{*context.arguments.socket}
                              : socket_candidates(path_facts());
  return Client::connect(candidates, context.arguments.timeout);
}

Answer<boost::json::object> question(const Context& context, const std::string& method,
                                     const boost::json::object& parameters) {
  const auto deadline = Clock::now() + context.arguments.timeout;
  auto client = connect(context);
  if (!client) return client.error();
  while (true) {
    auto reply = client->ask(method, parameters, deadline);
    const bool gone = !reply && reply.error().trouble == Trouble::closed;
    if (!gone || !client->reconnect(deadline) || Clock::now() >= deadline) return reply;
  }
}

Failure not_understood(const std::string& what) {
  return {Trouble::malformed, "the daemon's reply cannot be understood: " + what,
          "compare the versions with `dixisctl version`"};
}

Answer<boost::json::array> array_of(const boost::json::object& reply, std::string_view name) {
  const boost::json::value* field = reply.if_contains(name);
  if (field != nullptr && field->is_array()) return field->get_array();
  return not_understood("it has no array '" + std::string(name) + "'");
}

boost::json::array targets_of(const Arguments& arguments) {
  boost::json::array targets;
  for (const std::string& operand : arguments.operands) targets.emplace_back(operand);
  return targets;
}

}  // namespace dixis::ctl
