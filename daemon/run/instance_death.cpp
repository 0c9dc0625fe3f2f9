// What is kept of a death, for `why`.
#include <sstream>

#include "daemon/run/instance.hpp"
#include "daemon/run/log_settings_of.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

namespace {

constexpr int kLastLines = 20;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) out.push_back(line);
  return out;
}

/// An end that somebody asked for and that went as asked needs no last lines.
bool went_as_asked(const Death& death) {
  const bool asked = death.cause == Cause::verb || death.cause == Cause::shutdown ||
                     death.cause == Cause::config || death.cause == Cause::new_build;
  return asked && !death.escalated;
}

}  // namespace

std::string Instance::number_of(const Instance& other) {
  return other.generation_ ? std::to_string(other.generation_->number) : "that is gone";
}

/// What dixis did about an end, right after it.
std::string Instance::reaction() const {
  if (heir_) return "its place had been taken by generation " + number_of(*heir_);
  if (beside_) return "the old process goes on";
  switch (slot_.state) {
    case State::backoff:
      return "a restart was scheduled in " +
             std::to_string(std::max<std::int64_t>(0, retry_at_ms_ - boottime_ms())) +
             " ms, after " + std::to_string(slot_.failures) + " in a row";
    case State::failed:
      return "not restarted: " + slot_.message;
    case State::stopped:
      return "left stopped";
    default:
      break;
  }
  if (!slot_.current) return "";
  return "restarted at once, as generation " + std::to_string(slot_.current->generation);
}

LogSource Instance::log_source(std::uint64_t generation) const {
  return {spec_.name, number_, generation};
}

Task<std::string> Instance::last_lines(std::uint64_t generation, int lines) {
  auto source = log_source(generation);
  auto settings = log_settings_of(spec_);
  co_return co_await services_.capture.last_lines(std::move(source), std::move(settings), lines);
}

Task<void> Instance::archive(std::shared_ptr<Generation> generation) {
  const auto self = shared_from_this();
  // The step that buried it is still under way.
  co_await boost::asio::post(services_.loop, boost::asio::use_awaitable);
  DeathRecord record;
  record.app = spec_.name;
  record.instance = number_;
  record.death = *generation->death;
  if (generation->build) record.build = generation->build->id;
  record.probe_answer = generation->health.last_answer();
  record.reaction = reaction();
  if (!went_as_asked(*generation->death)) {
    const auto lines = co_await last_lines(generation->number, kLastLines);
    record.last_lines = lines_of(lines);
  }
  forget_kept(generation->number);
  last_record_ = record;
  services_.deaths.append(std::move(record));
}

}  // namespace dixis
