#include "ctl/render/text.hpp"
#include "ctl/stream.hpp"
#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {

namespace {

/// What cut the connection off was not the daemon's answer: the one that took over has died.
Failure cut_off(Failure failure) {
  if (failure.trouble != Trouble::closed) return failure;
  failure.message = "the daemon died while it was upgraded; apps run on";
  failure.hint =
      "systemd starts it again, from the program on the disk; by hand, start dixisd; "
      "`dixisctl version` tells which one serves";
  return failure;
}

}  // namespace

Answer<ExitCode> upgrade(const Context& context) {
  const Arguments& arguments = context.arguments;
  if (arguments.operands.size() > 1) return wrong_operands(context, "name one program at most");
  boost::json::object parameters;
  if (!arguments.operands.empty()) {
    const auto binary = absolute_path(arguments.operands.front());
    if (!binary) return binary.error();
    parameters["binary"] = *binary;
  }
  auto reply =
      carry_out(context, {"Upgrade", std::move(parameters), "upgrading the daemon", true, false});
  if (!reply) return cut_off(reply.error());
  if (arguments.json) {
    context.console.print_json(boost::json::value(*reply));
    return ExitCode::done;
  }
  const auto version = field_of<std::string>(*reply, "version");
  if (!version) return version.error();
  const auto from = field_of<std::string>(*reply, "from");
  if (!from) return from.error();
  context.console.print("upgraded: dixisd " + printable(*version) + " took over from " +
                        printable(*from) + "; apps went on\n");
  return ExitCode::done;
}

}  // namespace dixis::ctl
