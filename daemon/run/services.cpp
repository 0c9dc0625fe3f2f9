#include "daemon/run/services.hpp"

#include <array>
#include <cstdio>

#include "daemon/run/supervisor.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

namespace {

/// The next daemon on the same runtime directory finds the same instance; two daemons have two.
std::string trace_name(const std::filesystem::path& runtime_directory) {
  std::array<char, 32> text{};
  const auto where = std::hash<std::string>{}(runtime_directory.string());
  std::snprintf(text.data(), text.size(), "dixis-%016llx", static_cast<unsigned long long>(where));
  return text.data();
}

}  // namespace

Services::Services(boost::asio::io_context& context, const Directories& where)
    : loop(context),
      runtime_directory(where.runtime),
      boot(boot_id()),
      reaper(context, Reaper::Begin::when_told),
      desired(state_worker, where.state),
      deaths(context.get_executor(), state_worker, where.state),
      capture(log_worker, {where.logs, where.runtime}),
      log_reading(context),
      listeners(context),
      trees(proc_worker),
      witness(context, proc_worker, trace_name(where.runtime)),
      oom(context),
      builds(context, slow_worker),
      turns(context) {}

}  // namespace dixis
