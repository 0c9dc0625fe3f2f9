#include "common/result.hpp"

#include <stdexcept>
#include <system_error>

namespace dixis {

Error errno_error(std::string_view what, int error_number, std::string hint) {
  return {std::string(what) + ": " + std::generic_category().message(error_number),
          std::move(hint)};
}

void throw_exception_from_error(const Error& error, const boost::source_location& /*location*/) {
  throw std::runtime_error(error.message);
}

}  // namespace dixis
