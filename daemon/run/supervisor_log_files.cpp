// What operators do to the files of logs.
#include <set>

#include "daemon/run/log_settings_of.hpp"
#include "daemon/run/supervisor_impl.hpp"

namespace dixis {

Task<Result<std::vector<std::string>>> Supervisor::flush_logs(Targets targets, Caller caller) {
  std::set<std::string> names;
  for (const auto& target : resolve_targets(impl_->apps, targets)) {
    names.insert(target.instance->spec().name);
  }
  std::vector<std::string> emptied;
  for (const auto& name : names) {
    const auto app = impl_->apps.find(name);
    if (app == impl_->apps.end()) continue;  // it left meanwhile
    auto settings = log_settings_of(app->second.spec);
    auto flushed = co_await impl_->services.capture.flush(name, std::move(settings),
                                                          app->second.spec.instances);
    if (!flushed) co_return flushed.error();
    impl_->services.events.publish(
        {.type = "verb", .app = name, .message = "its logs were emptied by " + to_text(caller)});
    emptied.push_back(name);
  }
  co_return emptied;
}

Task<Result<std::size_t>> Supervisor::reopen_logs() {
  co_return co_await impl_->services.capture.reopen();
}

}  // namespace dixis
