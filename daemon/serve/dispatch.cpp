#include "daemon/serve/dispatch.hpp"

#include <algorithm>
#include <array>

#include "daemon/serve/handlers/handlers.hpp"

namespace dixis {

namespace {

constexpr std::string_view kService = "org.varlink.service";
constexpr std::string_view kSupervisor = "gr.dixis.Supervisor";

struct Method {
  std::string_view interface;
  std::string_view name;
  Handler handler;  ///< null: declared, and not in this version
};

constexpr std::array kMethods{
    Method{kService, "GetInfo", handlers::get_info},
    Method{kService, "GetInterfaceDescription", handlers::get_interface_description},
    Method{kSupervisor, "Ping", handlers::ping},
    Method{kSupervisor, "List", handlers::list},
    Method{kSupervisor, "Describe", handlers::describe},
    Method{kSupervisor, "Start", handlers::start},
    Method{kSupervisor, "Stop", handlers::stop},
    Method{kSupervisor, "Restart", handlers::restart},
    Method{kSupervisor, "Follow", handlers::follow_operation},
    Method{kSupervisor, "Reload", handlers::reload},
    Method{kSupervisor, "Scale", handlers::scale},
    Method{kSupervisor, "Signal", handlers::signal},
    Method{kSupervisor, "Subscribe", handlers::subscribe},
    Method{kSupervisor, "Logs", handlers::logs},
    Method{kSupervisor, "Flush", handlers::flush},
    Method{kSupervisor, "Reopen", handlers::reopen},
    Method{kSupervisor, "Deaths", handlers::deaths},
    Method{kSupervisor, "Probe", handlers::probe},
    Method{kSupervisor, "LoadConfig", handlers::load_config},
    Method{kSupervisor, "Add", handlers::add},
    Method{kSupervisor, "Remove", handlers::remove},
    Method{kSupervisor, "Upgrade", handlers::upgrade},
    Method{kSupervisor, "Shutdown", handlers::shutdown},
};

Permission needed(const Method& method) {
  return method.interface == kService ? Permission::viewer : permission_of(method.name);
}

}  // namespace

Task<varlink::Reply> dispatch(CallContext context) {
  const std::string& full = context.call.method;
  const auto dot = full.rfind('.');
  const std::string_view interface = std::string_view(full).substr(0, dot == full.npos ? 0 : dot);
  const std::string_view name = std::string_view(full).substr(dot == full.npos ? 0 : dot + 1);
  if (interface != kService && interface != kSupervisor) {
    co_return error_reply(varlink::error::kInterfaceNotFound, {{"interface", interface}});
  }
  const auto* const method =
      std::find_if(kMethods.begin(), kMethods.end(), [&](const Method& candidate) {
        return candidate.interface == interface && candidate.name == name;
      });
  if (method == kMethods.end()) {
    co_return error_reply(varlink::error::kMethodNotFound, {{"method", full}});
  }
  if (!may(context.role, needed(*method))) co_return permission_denied();
  if (method->handler == nullptr) {
    co_return error_reply(varlink::error::kMethodNotImplemented, {{"method", full}});
  }
  co_return co_await method->handler(context);
}

}  // namespace dixis
