#include "common/verbs.hpp"
#include "ctl/client.hpp"

namespace dixis::ctl {
namespace {

namespace bj = boost::json;

std::string text_of(const bj::object& parameters, std::string_view name) {
  const bj::value* value = parameters.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::string either(std::string first, std::string second) {
  return first.empty() ? std::move(second) : std::move(first);
}

Failure no_such_app(const bj::object& parameters) {
  const std::string nearest = text_of(parameters, "nearest");
  return {Trouble::no_such_app, "no app is named '" + text_of(parameters, "target") + "'",
          nearest.empty() ? "see `dixisctl list`" : "did you mean '" + nearest + "'?"};
}

}  // namespace

Failure failure_of(const varlink::Reply& reply) {
  const std::string& name = *reply.error;
  const bj::object& parameters = reply.parameters;
  const std::string message = text_of(parameters, "message");
  const std::string hint = text_of(parameters, "hint");
  Failure failure{Trouble::refused, either(message, "the daemon answered " + name), hint};

  if (name == varlink::error::kNoSuchApp) failure = no_such_app(parameters);
  if (name == varlink::error::kPermissionDenied) {
    failure = {Trouble::not_permitted, either(message, "not permitted"), hint};
  }
  if (name == varlink::error::kConfigInvalid) {
    failure = {Trouble::config_invalid, either(message, "the configuration is invalid"),
               either(hint, "nothing was changed: correct it and try again")};
  }
  if (name == varlink::error::kShuttingDown) {
    failure = {Trouble::shutting_down, "the daemon is shutting down and takes no more verbs",
               "start it again when it has ended"};
  }
  if (name == varlink::error::kNoSuchOperation) {
    failure = {Trouble::no_such_operation, "the daemon knows nothing of this verb",
               "look with `dixisctl list`"};
  }
  if (name == varlink::error::kInvalidParameter) {
    failure = {Trouble::refused,
               either(message, "the daemon refused '" + text_of(parameters, "parameter") + "'"),
               either(hint, "compare the versions with `dixisctl version`")};
  }
  if (name == varlink::error::kInvalidParameter && text_of(parameters, "parameter") == "signal") {
    failure.message = "there is no such signal";
    failure.hint = "name it as HUP, SIGUSR1 or by its number; `kill -l` lists them";
  }
  if (name == varlink::error::kMethodNotImplemented || name == varlink::error::kMethodNotFound ||
      name == varlink::error::kInterfaceNotFound) {
    failure = {Trouble::not_implemented, "the daemon does not know this verb (" + name + ")",
               "it has another version: compare with `dixisctl version`"};
  }
  failure.details = parameters;
  return failure;
}

}  // namespace dixis::ctl
