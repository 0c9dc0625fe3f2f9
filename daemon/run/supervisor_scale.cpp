// Another number of instances, until the configuration says otherwise.
#include "daemon/logs/within.hpp"
#include "daemon/model/command_facts.hpp"
#include "daemon/run/supervisor_impl.hpp"

namespace dixis {

using namespace std::chrono_literals;

namespace {

constexpr auto kDurableWithin = 2s;

/// Why there can't be several of it.
std::optional<std::string> why_only_one(const AppSpec& spec) {
  if (!spec.held.empty()) return std::nullopt;
  const auto first = listen_address_of_instance(spec, 0);
  const auto second = listen_address_of_instance(spec, 1);
  if (!first || !second || first->port != second->port) return std::nullopt;
  return "its instances would all bind port " + std::to_string(first->port) +
         "; let dixisd hold the socket (`listen`), or give each a port (PORT: " +
         std::to_string(first->port) + "+{instance})";
}

}  // namespace

OperationPtr Supervisor::Impl::scale(const std::string& app, std::uint32_t instances,
                                     Caller caller) {
  const auto deadline = load_deadline() + instances * start_deadline(app);
  auto operation = new_operation(deadline, caller);
  services.events.publish({.type = "verb", .app = app, .message = to_text(caller)});
  boost::asio::co_spawn(services.loop, carry_out_scale(operation, app, instances, caller),
                        [](const std::exception_ptr& error) {
                          if (error) std::rethrow_exception(error);
                        });
  return operation;
}

Task<void> Supervisor::Impl::carry_out_scale(OperationPtr operation, std::string app,
                                             std::uint32_t instances, Caller caller) {
  const auto begun = std::chrono::steady_clock::now();
  Instance::Report report = [operation, app, begun](const std::string& step,
                                                    const std::string& message) {
    const auto elapsed = std::chrono::steady_clock::now() - begun;
    operation->report(
        {app, 0, step, message, std::chrono::duration_cast<Milliseconds>(elapsed).count()});
  };
  VerbResult result;
  auto changing = change_scale(app, instances, std::move(caller), std::move(report), result);
  auto outcome = co_await std::move(changing);
  const auto elapsed = std::chrono::steady_clock::now() - begun;
  outcome.elapsed_ms = std::chrono::duration_cast<Milliseconds>(elapsed).count();
  result.outcomes = {std::move(outcome)};
  operation->set_remembered(result.not_durable);
  operation->finish(std::move(result));
}

Task<Outcome> Supervisor::Impl::change_scale(std::string app, std::uint32_t instances,
                                             Caller caller, Instance::Report report,
                                             VerbResult& result) {
  const auto turn = config_turn(app);
  const auto place = co_await turn->enter();
  const auto found = apps.find(app);
  if (found == apps.end() || leaving.contains(app)) {
    co_return Outcome{.app = app, .message = "not scaled: it has left the configuration"};
  }
  AppSpec spec = found->second.spec;
  if (const auto why = instances > 1 ? why_only_one(spec) : std::nullopt) {
    co_return Outcome{.app = app, .message = "not scaled: " + *why};
  }
  const auto before = spec.instances;
  const auto configured = spec.configured_instances.value_or(before);
  spec.instances = instances;
  spec.configured_instances = configured;
  auto writing = scales.set(app, instances, configured);
  const auto written = co_await within(kDurableWithin, std::move(writing));
  if (!written) result.not_durable = "the disk doesn't answer within 2 s";
  if (written && !*written) result.not_durable = written->error().message;
  if (const auto wanted = config.apps.find(app); wanted != config.apps.end()) {
    wanted->second.instances = instances;
    wanted->second.configured_instances = configured;
  }
  if (instances == before) {
    co_return Outcome{.app = app, .ok = true, .message = "has " + std::to_string(instances)};
  }
  auto resizing = resize(spec, std::move(caller), std::move(report));
  auto outcome = co_await std::move(resizing);
  const std::string numbers = std::to_string(before) + " to " + std::to_string(instances);
  outcome.message =
      outcome.ok ? "scaled from " + numbers : "scaling from " + numbers + ": " + outcome.message;
  co_return outcome;
}

bool Supervisor::is_app(const std::string& name) const {
  return impl_->apps.contains(name);
}

OperationPtr Supervisor::scale(const std::string& app, std::uint32_t instances, Caller caller) {
  return impl_->scale(app, instances, std::move(caller));
}

}  // namespace dixis
