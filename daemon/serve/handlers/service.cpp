#include "common/interface.hpp"
#include "common/version.hpp"
#include "daemon/serve/handlers/handlers.hpp"
#include "daemon/serve/parameters.hpp"

namespace dixis::handlers {

namespace {

constexpr std::string_view kServiceDescription = R"(# The Varlink Service Interface is provided by
# every varlink service. It describes the service and the interfaces it implements.
interface org.varlink.service

# Get a list of all the interfaces a service provides and information
# about the implementation.
method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

# Get the description of an interface that is implemented by this service.
method GetInterfaceDescription(interface: string) -> (description: string)

# The requested interface was not found.
error InterfaceNotFound (interface: string)

# The requested method was not found
error MethodNotFound (method: string)

# The interface defines the requested method, but the service does not
# implement it.
error MethodNotImplemented (method: string)

# One of the passed parameters is invalid.
error InvalidParameter (parameter: string)

# Client is denied access
error PermissionDenied ()

# Method is expected to be called with 'more' set to true, but wasn't
error ExpectedMore ()
)";

struct DescriptionParameters {
  std::string interface {};
};
BOOST_DESCRIBE_STRUCT(DescriptionParameters, (), (interface))

struct NoParameters {};
BOOST_DESCRIBE_STRUCT(NoParameters, (), ())

}  // namespace

Task<varlink::Reply> get_info(CallContext context) {
  NoParameters none;
  if (const auto wrong = read_parameters(context.call.parameters, none)) {
    co_return invalid_parameter(*wrong);
  }
  co_return reply({{"vendor", "dixis"},
                   {"product", "dixisd"},
                   {"version", kVersion},
                   {"url", "man:dixisd(8)"},
                   {"interfaces", {"org.varlink.service", "gr.dixis.Supervisor"}}});
}

Task<varlink::Reply> get_interface_description(CallContext context) {
  DescriptionParameters parameters;
  if (const auto wrong = read_parameters(context.call.parameters, parameters)) {
    co_return invalid_parameter(*wrong);
  }
  if (parameters.interface == "org.varlink.service") {
    co_return reply({{"description", kServiceDescription}});
  }
  if (parameters.interface == "gr.dixis.Supervisor") {
    co_return reply({{"description", kInterfaceDescription}});
  }
  co_return error_reply(varlink::error::kInterfaceNotFound, {{"interface", parameters.interface}});
}

}  // namespace dixis::handlers
