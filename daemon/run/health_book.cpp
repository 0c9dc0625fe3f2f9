#include "daemon/run/health_book.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace dixis {

namespace {

constexpr std::size_t kHistory = 20;

std::string times(std::uint32_t count) {
  return count < 2 ? "" : ", " + std::to_string(count) + " times in a row";
}

}  // namespace

HealthBook::HealthBook(std::vector<ProbeSpec> probes)
    : probes_(std::move(probes)), courses_(probes_.size()) {}

HealthBook::Change HealthBook::note(std::size_t probe, ProbeReport report, std::int64_t now_ms) {
  const bool was_ill = ill();
  auto& course = courses_.at(probe);
  const auto& spec = probes_.at(probe);
  if (report.good) {
    course.bad_in_a_row = 0;
    ++course.good_in_a_row;
    course.last_good_ms = now_ms;
    if (course.good_in_a_row >= spec.successes) {
      course.well = true;
      course.ill = false;
    }
  } else {
    course.good_in_a_row = 0;
    ++course.bad_in_a_row;
    if (course.bad_in_a_row >= spec.failures) {
      course.well = false;
      course.ill = true;
    }
  }
  course.last_ms = now_ms;
  course.last = report;
  history_.push_front(std::move(report));
  if (history_.size() > kHistory) history_.pop_back();
  if (was_ill == ill()) return Change::none;
  return was_ill ? Change::recovered : Change::fell_ill;
}

bool HealthBook::well() const {
  return std::all_of(courses_.begin(), courses_.end(),
                     [](const Course& course) { return course.well; });
}

bool HealthBook::ill() const {
  return std::any_of(courses_.begin(), courses_.end(),
                     [](const Course& course) { return course.ill; });
}

std::int64_t HealthBook::well_until(std::int64_t otherwise) const {
  std::int64_t out = otherwise;
  bool found = false;
  for (const auto& course : courses_) {
    if (!course.ill) continue;
    const auto good = course.last_good_ms.value_or(otherwise);
    out = found ? std::min(out, good) : good;
    found = true;
  }
  return out;
}

/// The one that is ill; else the one that was bad last; else the one that was asked last.
const HealthBook::Course* HealthBook::worst() const {
  const auto rank = [](const Course& course) {
    return std::tuple(course.ill, course.bad_in_a_row > 0, course.last_ms.value_or(-1));
  };
  const auto found = std::max_element(
      courses_.begin(), courses_.end(),
      [&](const Course& left, const Course& right) { return rank(left) < rank(right); });
  return found == courses_.end() || !found->last ? nullptr : &*found;
}

std::string HealthBook::complaint() const {
  const auto* const course = worst();
  if (course == nullptr || course->last->good) return "";
  return course->last->probe + ": " + course->last->message + times(course->bad_in_a_row);
}

std::optional<std::string> HealthBook::last_answer() const {
  const auto* const course = worst();
  if (course == nullptr) return std::nullopt;
  return course->last->probe + ": " + course->last->message;
}

std::optional<Health> HealthBook::view(std::int64_t now_ms) const {
  if (probes_.empty()) return std::nullopt;
  Health out;
  out.status = ill() ? "unhealthy" : well() ? "healthy" : "unknown";
  if (const auto* const course = worst()) {
    out.latency_ms = course->last->latency_ms;
    out.checked_ms_ago = now_ms - *course->last_ms;
    if (!course->last->good) out.message = complaint();
  }
  return out;
}

}  // namespace dixis
