#include "daemon/run/services.hpp"

#include "daemon/run/supervisor.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

Services::Services(boost::asio::io_context& context, const Directories& where)
    : loop(context),
      runtime_directory(where.runtime),
      boot(boot_id()),
      reaper(context, Reaper::Begin::when_told),
      desired(state_worker, where.state),
      deaths(context.get_executor(), state_worker, where.state),
      capture(log_worker, where.logs),
      listeners(context),
      trees(proc_worker),
      builds(context, slow_worker),
      turns(context) {}

}  // namespace dixis
