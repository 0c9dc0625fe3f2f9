#include "daemon/logs/log_reading.hpp"

#include <sys/resource.h>
#include <unistd.h>

namespace dixis {

namespace {

constexpr int kNiceness = 10;

}  // namespace

LogReading::Service::Service(boost::asio::io_context& loop)
    : worker("dixis-reading"), watch(loop, worker) {
  boost::asio::post(worker.context(), [] {
    // Of this thread alone: to Linux a thread is a process here.
    (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNiceness);
  });
}

LogReading::Service& LogReading::service() {
  if (!service_) service_.emplace(loop_);
  return *service_;
}

std::shared_ptr<void> LogReading::enter() {
  if (auto shared = readers_.lock()) return shared;
  Service& own = service();
  std::shared_ptr<void> entered(nullptr, [&own](std::nullptr_t) {
    boost::asio::post(own.worker.context(), [&own] { own.frames.clear(); });
  });
  readers_ = entered;
  return entered;
}

}  // namespace dixis
