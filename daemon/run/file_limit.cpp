#include "daemon/run/file_limit.hpp"

#include <sys/resource.h>

namespace dixis {

void raise_file_limit() {
  ::rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  // Raising to the hard limit is always allowed.
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace dixis
