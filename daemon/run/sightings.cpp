#include "daemon/run/sightings.hpp"

#include <algorithm>
#include <utility>

namespace dixis {

namespace {

constexpr std::size_t kKept = 500;

template <class T>
void keep(std::deque<T>& all, T one) {
  all.push_back(std::move(one));
  if (all.size() > kKept) all.pop_front();
}

template <class T, class Fits>
const T* latest(const std::deque<T>& all, std::int64_t since_ms, const Fits& fits) {
  const auto found = std::find_if(all.rbegin(), all.rend(),
                                  [&](const T& one) { return one.at_ms >= since_ms && fits(one); });
  return found == all.rend() ? nullptr : &*found;
}

}  // namespace

void Sightings::note(SeenSignal signal) {
  keep(signals_, std::move(signal));
}

void Sightings::note(OomKill kill) {
  keep(kills_, std::move(kill));
}

void Sightings::note_end(pid_t leader, int status, std::int64_t at_ms) {
  ends_[leader] = {status, at_ms};
  if (ends_.size() <= kKept) return;
  ends_.erase(std::min_element(ends_.begin(), ends_.end(), [](const auto& a, const auto& b) {
    return a.second.at_ms < b.second.at_ms;
  }));
}

const SeenSignal* Sightings::latest_signal(
    std::int64_t since_ms, const std::function<bool(const SeenSignal&)>& fits) const {
  return latest(signals_, since_ms, fits);
}

std::optional<int> Sightings::end_of(pid_t leader, std::int64_t since_ms) const {
  const auto found = ends_.find(leader);
  if (found == ends_.end() || found->second.at_ms < since_ms) return std::nullopt;
  return found->second.status;
}

const OomKill* Sightings::latest_oom_kill(std::int64_t since_ms,
                                          const std::function<bool(const OomKill&)>& fits) const {
  return latest(kills_, since_ms, fits);
}

}  // namespace dixis
