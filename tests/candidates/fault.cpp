// Takes the place of what a daemon calls first after it has taken over, and never when it is
// probed.
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include "daemon/run/file_limit.hpp"

namespace dixis {

void raise_file_limit() {
  const char* const wanted = std::getenv("DIXIS_CANDIDATE");
  const std::string_view fault = wanted == nullptr ? "" : wanted;
  if (fault == "throw") throw std::runtime_error("out of luck");
  if (fault == "abort") std::abort();
}

}  // namespace dixis
