#pragma once

#include <optional>
#include <string>

#include "common/paths.hpp"
#include "common/result.hpp"

namespace dixis {

/// The command line of dixisd.
struct Options {
  DefaultPaths paths{};  ///< absolute
  bool check = false;
  bool json = false;            ///< of check: {"valid", "problems"} on stdout
  bool probe_handover = false;  ///< say whether this one could take over, and exit
  bool version = false;
  bool help = false;
  std::optional<int> ready_fd{};  ///< gets "READY=1" once the daemon serves
};

/// The error is for a person; usage() shows what there is.
Result<Options> parse_options(int argc, char** argv);
std::string usage();

}  // namespace dixis
