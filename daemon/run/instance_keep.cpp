// What of a generation outlives the daemon beside its processes: the pipes that it writes to.
#include <fcntl.h>

#include "daemon/run/instance.hpp"
#include "daemon/sys/keeper.hpp"

namespace dixis {

namespace {

/// A read end of a pipe that is open for both: the copy that is kept must not count as a writer.
UniqueFd read_end_of(int app_end) {
  const std::string file = "/proc/self/fd/" + std::to_string(app_end);
  return UniqueFd(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

}  // namespace

std::string Instance::pipe_key(const char* stream, std::uint64_t generation) const {
  return std::string(stream) + "/" + spec_.name + "/" + std::to_string(number_) + "/" +
         std::to_string(generation);
}

void Instance::keep_pipes(const CaptureEnds& ends, std::uint64_t generation) {
  // One that can't be opened again is not kept: it is found through the living app.
  if (const auto out = read_end_of(ends.out.get())) {
    services_.keeper.put(pipe_key("out", generation), out.get());
  }
  if (const auto err = read_end_of(ends.err.get())) {
    services_.keeper.put(pipe_key("err", generation), err.get());
  }
}

/// What they hold is carried, the pipes of one that is dead already included.
bool Instance::resume_pipes(std::uint64_t generation) {
  auto out = services_.keeper.find(pipe_key("out", generation));
  auto err = services_.keeper.find(pipe_key("err", generation));
  const bool kept = out && err;
  services_.capture.resume(spec_.name, std::move(out), std::move(err));
  return kept;
}

Task<void> Instance::forget_carried_pipes(std::uint64_t generation) {
  const auto self = shared_from_this();
  co_await services_.capture.flush(spec_.name);
  forget_pipes(generation);
}

void Instance::forget_pipes(std::uint64_t generation) {
  services_.keeper.forget(pipe_key("out", generation));
  services_.keeper.forget(pipe_key("err", generation));
}

}  // namespace dixis
