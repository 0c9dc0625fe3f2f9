// add and remove: an app's own file, and a load that carries out the difference.
#include <algorithm>

#include "daemon/run/app_file.hpp"
#include "daemon/run/supervisor_impl.hpp"

namespace dixis {

namespace {

bool in_plan(const std::vector<PlanItem>& plan, const std::string& app) {
  return std::any_of(plan.begin(), plan.end(),
                     [&](const PlanItem& item) { return item.app == app; });
}

/// Another app that is defined in the file of `app`; it would go with it.
std::optional<std::string> shares_file(const Apps& apps, const AppSpec& app) {
  for (const auto& [name, other] : apps) {
    if (name != app.name && other.spec.defined_at.file == app.defined_at.file) return name;
  }
  return std::nullopt;
}

}  // namespace

Task<Result<LoadReport>> Supervisor::add(std::string name, NewApp app, Caller caller) {
  if (impl_->apps.contains(name)) {
    co_return Error{"there is an app " + name + " already",
                    "`dixisctl describe " + name + "` shows it"};
  }
  const auto config_file = impl_->directories.config_file;
  const auto operation = impl_->accept({}, impl_->load_deadline(), caller, false,
                                       app_file_of(config_file, name).string());
  auto work = [config_file, name, app] { return write_app_file(config_file, name, app); };
  auto written = co_await impl_->services.slow_worker.run(std::move(work));
  if (!written) {
    impl_->operations.withdraw(operation->id());
    co_return written.error();
  }
  auto report = co_await impl_->load(config_file, false, std::move(caller), operation);
  report.file = written->string();
  const bool loaded = report.operation && in_plan(report.plan, name);
  if (!loaded) {
    // As if it had not been written.
    auto undo = [file = *written] { return remove_app_file(file); };
    co_await impl_->services.slow_worker.run(std::move(undo));
  }
  if (report.operation && !loaded) {
    co_return Error{"the configuration doesn't include " + report.file,
                    "add `include: apps.d/*.yaml` to " + config_file.string()};
  }
  co_return report;
}

Task<Result<LoadReport>> Supervisor::remove(std::string name, Caller caller) {
  const auto found = impl_->apps.find(name);
  if (found == impl_->apps.end()) {
    co_return Error{"there is no app " + name, "`dixisctl list` shows those that are"};
  }
  const auto config_file = impl_->directories.config_file;
  const auto& spec = found->second.spec;
  const std::filesystem::path file = spec.defined_at.file;
  const auto other = shares_file(impl_->apps, spec);
  if (other && file != config_file) {
    co_return Error{file.string() + " defines " + *other + ", too, so it isn't removed",
                    "remove " + name + " there, then `dixisctl load`"};
  }
  const auto operation = impl_->accept({}, impl_->load_deadline(), caller, false, file.string());
  auto work = [config_file, file, name] { return put_app_file_aside(config_file, file, name); };
  auto aside = co_await impl_->services.slow_worker.run(std::move(work));
  if (!aside) {
    impl_->operations.withdraw(operation->id());
    co_return aside.error();
  }
  auto report = co_await impl_->load(config_file, false, std::move(caller), operation);
  report.file = file.string();
  // A configuration that is invalid elsewhere changes nothing.
  auto finish = [file, put = *aside, done = report.operation != nullptr] {
    return done ? remove_app_file(put) : put_app_file_back(put, file);
  };
  auto finished = co_await impl_->services.slow_worker.run(std::move(finish));
  if (!finished) co_return finished.error();
  co_return report;
}

}  // namespace dixis
