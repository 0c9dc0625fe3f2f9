// What of a generation outlives the daemon beside its processes: the pipes that it writes to, and
// its notify socket.
#include "daemon/run/instance.hpp"
#include "daemon/run/log_settings_of.hpp"
#include "daemon/sys/keeper.hpp"

namespace dixis {

std::string Instance::kept_key(const char* stream, std::uint64_t generation) const {
  return std::string(stream) + "/" + spec_.name + "/" + std::to_string(number_) + "/" +
         std::to_string(generation);
}

void Instance::keep_pipes(std::uint64_t generation) {
  const auto source = log_source(generation);
  // One that isn't there is not kept: it is found through the living app.
  if (const auto out = services_.capture.read_end(source, LogStream::out)) {
    services_.keeper.put(kept_key("out", generation), out->get());
  }
  if (const auto err = services_.capture.read_end(source, LogStream::err)) {
    services_.keeper.put(kept_key("err", generation), err->get());
  }
}

/// What they hold is carried, the pipes of one that is dead already included.
bool Instance::resume_pipes(std::uint64_t generation) {
  auto out = services_.keeper.find(kept_key("out", generation));
  auto err = services_.keeper.find(kept_key("err", generation));
  const bool kept = out && err;
  const auto source = log_source(generation);
  const auto settings = log_settings_of(spec_);
  // Its notify socket is taken up later, with its probes.
  static_cast<void>(services_.keeper.find(kept_key("notify", generation)));
  if (out) services_.capture.take(source, LogStream::out, settings, std::move(out));
  if (err) services_.capture.take(source, LogStream::err, settings, std::move(err));
  return kept;
}

Task<void> Instance::forget_carried_pipes(std::uint64_t generation) {
  const auto self = shared_from_this();
  co_await last_lines(generation, 1);  // carries what they hold
  forget_kept(generation);
}

void Instance::forget_kept(std::uint64_t generation) {
  services_.keeper.forget(kept_key("out", generation));
  services_.keeper.forget(kept_key("err", generation));
  services_.keeper.forget(kept_key("notify", generation));
}

}  // namespace dixis
