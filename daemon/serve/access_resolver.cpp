#include "daemon/serve/access_resolver.hpp"

#include <spdlog/spdlog.h>

namespace dixis {

Task<AccessIds> AccessResolver::resolve(Access access) {
  while (resolved_ != access) {
    if (worker_) {
      co_await done_.wait();
      continue;
    }
    worker_ = std::make_unique<Worker>("dixis-names");
    auto work = [access] { return resolve_access(access); };
    AccessIds ids = co_await worker_->run(std::move(work));
    for (const auto& name : ids.unknown) {
      spdlog::warn("access: there is no {} on this machine; nobody is admitted by it", name);
    }
    ids_ = std::move(ids);
    resolved_ = access;
    worker_.reset();
    done_.notify_all();
  }
  co_return ids_;
}

}  // namespace dixis
