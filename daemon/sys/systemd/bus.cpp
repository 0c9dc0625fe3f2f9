#include "daemon/sys/systemd/bus.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <systemd/sd-bus.h>
#include <systemd/sd-login.h>

namespace dixis {

namespace {

constexpr const char* kSystemd = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kManagerSocket = "unix:path=/run/systemd/private";

struct Unref {
  void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
  void operator()(sd_bus_slot* slot) const { sd_bus_slot_unref(slot); }
  void operator()(char* text) const { ::free(text); }  // NOLINT: libsystemd gives malloc's
};
using BusPtr = std::unique_ptr<sd_bus, Unref>;
using Message = std::unique_ptr<sd_bus_message, Unref>;
using Slot = std::unique_ptr<sd_bus_slot, Unref>;
using Text = std::unique_ptr<char, Unref>;

/// An error that frees itself.
struct BusError {
  sd_bus_error value = SD_BUS_ERROR_NULL;
  BusError() = default;
  ~BusError() { sd_bus_error_free(&value); }
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
};

/// The manager's own socket speaks the same protocol to root without a bus in between (it is what
/// systemctl uses): a bus that is down, restarted or hung is none of our business.
int open_manager_socket(BusPtr& out) {
  sd_bus* bus = nullptr;
  int result = sd_bus_new(&bus);
  if (result < 0) return result;
  out.reset(bus);
  result = sd_bus_set_address(bus, kManagerSocket);
  return result < 0 ? result : sd_bus_start(bus);
}

int open_system_bus(BusPtr& out) {
  sd_bus* bus = nullptr;
  const int result = sd_bus_open_system(&bus);
  out.reset(bus);
  return result;
}

int append_number(sd_bus_message* message, const char* name, std::optional<std::uint64_t> value) {
  if (!value) return 0;
  return sd_bus_message_append(message, "(sv)", name, "t", *value);
}

/// The limits, one property each.
int append_limits(sd_bus_message* message, const ScopeRequest& request) {
  // Counted also where nothing limits them: `list` shows them.
  int done = sd_bus_message_append(message, "(sv)(sv)", "MemoryAccounting", "b", 1,
                                   "TasksAccounting", "b", 1);
  for (const auto& [name, value] : {std::pair{"MemoryMax", request.memory_max},
                                    {"MemoryHigh", request.memory_high},
                                    {"CPUQuotaPerSecUSec", request.cpu_us_per_s},
                                    {"TasksMax", request.tasks_max},
                                    {"IOWeight", request.io_weight}}) {
    if (done >= 0) done = append_number(message, name, value);
  }
  return done;
}

int append_scope(sd_bus_message* message, const ScopeRequest& request, bool knows_oom_policy) {
  const auto stop_timeout = static_cast<std::uint64_t>(request.stop_timeout.count());
  const auto pid = static_cast<std::uint32_t>(request.pid);
  int done = sd_bus_message_open_container(message, 'a', "(sv)");
  if (done < 0) return done;
  // Before=dixisd.service: at poweroff the daemon stops the apps in their order, so its scopes have
  // to be there until it has ended.
  done = sd_bus_message_append(message, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)",          //
                               "Description", "s", request.description.c_str(),  //
                               "Slice", "s", "dixis.slice",                      //
                               "CollectMode", "s", "inactive-or-failed",         //
                               "Before", "as", 1, "dixisd.service",              //
                               "TimeoutStopUSec", "t", stop_timeout,             //
                               "SendSIGHUP", "b", 0,                             //
                               "PIDs", "au", 1, pid);
  // One process that was killed for memory is no reason to stop the others.
  if (done >= 0 && knows_oom_policy) {
    done = sd_bus_message_append(message, "(sv)", "OOMPolicy", "s", "continue");
  }
  if (done >= 0) done = append_limits(message, request);
  return done < 0 ? done : sd_bus_message_close_container(message);
}

}  // namespace

struct Bus::Connection {
  BusPtr bus{};
  Slot job_removed{};
  std::string awaited_job{};
  std::string result{};  ///< of the awaited job, once it is removed
  bool subscribed = false;
  bool knows_oom_policy = true;  ///< scopes have it from some version on

  static int on_job_removed(sd_bus_message* message, void* userdata, sd_bus_error* /*error*/);
  int subscribe(sd_bus_error* error);
};

int Bus::Connection::on_job_removed(sd_bus_message* message, void* userdata,
                                    sd_bus_error* /*error*/) {
  auto* const self = static_cast<Connection*>(userdata);
  std::uint32_t id = 0;
  const char* job = nullptr;
  const char* unit = nullptr;
  const char* result = nullptr;
  const int read = sd_bus_message_read(message, "uoss", &id, &job, &unit, &result);
  if (read >= 0 && self->awaited_job == job) self->result = result;
  return 0;
}

/// Signals come only to those who subscribed.
int Bus::Connection::subscribe(sd_bus_error* error) {
  if (subscribed) return 0;
  sd_bus_slot* slot = nullptr;
  int done = sd_bus_match_signal(bus.get(), &slot, nullptr, kManagerPath, kManager, "JobRemoved",
                                 on_job_removed, this);
  if (done < 0) return done;
  job_removed.reset(slot);
  done = sd_bus_call_method(bus.get(), kSystemd, kManagerPath, kManager, "Subscribe", error,
                            nullptr, "");
  subscribed = done >= 0;
  return done;
}

Bus::Bus(std::chrono::milliseconds limit) : limit_(limit) {}
Bus::~Bus() = default;

Result<Bus::Connection*> Bus::connection() {
  if (connection_) return connection_.get();
  auto fresh = std::make_unique<Connection>();
  int opened = open_manager_socket(fresh->bus);
  if (opened < 0) opened = open_system_bus(fresh->bus);
  if (opened < 0) return errno_error("cannot connect to systemd", -opened);
  const auto limit = std::chrono::microseconds(limit_).count();
  sd_bus_set_method_call_timeout(fresh->bus.get(), static_cast<std::uint64_t>(limit));
  connection_ = std::move(fresh);
  return connection_.get();
}

/// A connection that failed in itself is given up: the next call makes another.
Error Bus::failed(const std::string& what, int error, const char* detail) {
  connection_.reset();
  if (detail != nullptr) return Error{what + ": " + detail};
  return errno_error(what, error);
}

Result<std::optional<std::string>> Bus::own_job_type() {
  const std::string what = "cannot ask systemd for the job of this service";
  char* own_unit = nullptr;
  const int known = sd_pid_get_unit(0, &own_unit);
  const Text unit(own_unit);
  if (known < 0) return errno_error(what, -known);
  auto connected = connection();
  if (!connected) return connected.error();
  sd_bus* const bus = (*connected)->bus.get();

  BusError error;
  sd_bus_message* raw = nullptr;
  int done = sd_bus_call_method(bus, kSystemd, kManagerPath, kManager, "GetUnit", &error.value,
                                &raw, "s", unit.get());
  const Message unit_reply(raw);
  const char* path = nullptr;
  if (done >= 0) done = sd_bus_message_read(unit_reply.get(), "o", &path);
  if (done < 0) return failed(what, -done, error.value.message);

  raw = nullptr;
  done = sd_bus_get_property(bus, kSystemd, path, "org.freedesktop.systemd1.Unit", "Job",
                             &error.value, &raw, "(uo)");
  const Message job_reply(raw);
  std::uint32_t id = 0;
  const char* job = nullptr;
  if (done >= 0) done = sd_bus_message_read(job_reply.get(), "(uo)", &id, &job);
  if (done < 0) return failed(what, -done, error.value.message);
  if (id == 0) return std::optional<std::string>();

  char* type = nullptr;
  done = sd_bus_get_property_string(bus, kSystemd, job, "org.freedesktop.systemd1.Job", "JobType",
                                    &error.value, &type);
  const Text owned(type);
  if (done < 0) return failed(what, -done, error.value.message);
  return std::optional<std::string>(owned.get());
}

Result<void> Bus::stop_unit(const std::string& name) {
  const std::string what = "cannot stop " + name;
  auto connected = connection();
  if (!connected) return connected.error();
  BusError error;
  const int done =
      sd_bus_call_method((*connected)->bus.get(), kSystemd, kManagerPath, kManager, "StopUnit",
                         &error.value, nullptr, "ss", name.c_str(), "replace");
  if (done < 0) return failed(what, -done, error.value.message);
  return {};
}

Result<void> Bus::start_scope(const ScopeRequest& request) {
  const std::string what = "cannot make " + request.name;
  const auto until = std::chrono::steady_clock::now() + limit_;
  auto connected = connection();
  if (!connected) return connected.error();
  Connection& systemd = **connected;
  BusError error;
  int done = systemd.subscribe(&error.value);
  if (done < 0) return failed(what, -done, error.value.message);

  sd_bus_message* raw = nullptr;
  done = sd_bus_message_new_method_call(systemd.bus.get(), &raw, kSystemd, kManagerPath, kManager,
                                        "StartTransientUnit");
  const Message call(raw);
  if (done >= 0) done = sd_bus_message_append(call.get(), "ss", request.name.c_str(), "fail");
  if (done >= 0) done = append_scope(call.get(), request, systemd.knows_oom_policy);
  if (done >= 0) done = sd_bus_message_append(call.get(), "a(sa(sv))", 0);
  raw = nullptr;
  if (done >= 0) done = sd_bus_call(systemd.bus.get(), call.get(), 0, &error.value, &raw);
  const Message reply(raw);
  const char* job = nullptr;
  if (done >= 0) done = sd_bus_message_read(reply.get(), "o", &job);
  // A refusal is an answer: the connection is a good one.
  if (done < 0 && sd_bus_error_is_set(&error.value) != 0 && done != -ETIMEDOUT) {
    const bool unknown_policy =
        std::string_view(error.value.message).find("OOMPolicy") != std::string_view::npos;
    if (unknown_policy && std::exchange(systemd.knows_oom_policy, false)) {
      return start_scope(request);
    }
    return Error{what + ": " + error.value.message};
  }
  if (done < 0) return failed(what, -done, nullptr);

  systemd.awaited_job = job;
  systemd.result.clear();
  while (systemd.result.empty()) {
    done = sd_bus_process(systemd.bus.get(), nullptr);
    if (done < 0) return failed(what, -done, nullptr);
    if (done > 0 || !systemd.result.empty()) continue;
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(
        until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return failed(what, ETIMEDOUT, nullptr);
    done = sd_bus_wait(systemd.bus.get(), static_cast<std::uint64_t>(left.count()));
    if (done < 0 && done != -EINTR) return failed(what, -done, nullptr);
  }
  if (systemd.result != "done")
    return Error{what + ": its job ended with '" + systemd.result + "'"};
  return {};
}

}  // namespace dixis
