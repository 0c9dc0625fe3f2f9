#include "daemon/model/config_policies.hpp"

#include <array>
#include <charconv>

#include "daemon/model/words.hpp"

namespace dixis {
namespace {

using R = ConfigReader;
using V = ConfigValue;

template <class T>
void set(T& target, std::optional<T> value) {
  if (value) target = std::move(*value);
}

constexpr auto kStartKeys = std::to_array<ConfigKey<StartPolicy>>({
    {"timeout",
     [](R& r, const V& v, StartPolicy& s) { set(s.timeout, r.duration(v, Milliseconds{1})); }},
    {"stable",
     [](R& r, const V& v, StartPolicy& s) { set(s.stable, r.duration(v, Milliseconds{0})); }},
});

void read_signal(R& r, const V& v, StopPolicy& stop) {
  const auto text = r.text(v, "a signal such as SIGTERM");
  if (!text) return;
  const auto signal = parse_signal(*text);
  if (signal) {
    stop.signal = *signal;
  } else {
    r.problem(v, signal.error().message, signal.error().hint);
  }
}

constexpr auto kStopKeys = std::to_array<ConfigKey<StopPolicy>>({
    {"signal", read_signal},
    {"timeout",
     [](R& r, const V& v, StopPolicy& s) { set(s.timeout, r.duration(v, Milliseconds{0})); }},
});

// Below this, an app that dies at once would be started a hundred times a second.
constexpr Milliseconds kShortestBackoff{10};

constexpr auto kBackoffKeys = std::to_array<ConfigKey<Backoff>>({
    {"first", [](R& r, const V& v, Backoff& b) { set(b.first, r.duration(v, kShortestBackoff)); }},
    {"factor",
     [](R& r, const V& v, Backoff& b) {
       set(b.factor, r.number(v, {1, 100}));
     }},
    {"max", [](R& r, const V& v, Backoff& b) { set(b.max, r.duration(v, kShortestBackoff)); }},
    {"jitter",
     [](R& r, const V& v, Backoff& b) {
       set(b.jitter, r.number(v, {0, 1}));
     }},
});

void read_backoff(R& r, const V& v, RestartPolicy& policy) {
  const auto defaults = policy.backoff;
  r.map<Backoff>(v, kBackoffKeys, policy.backoff);
  if (policy.backoff.first <= policy.backoff.max) return;
  r.problem(v.key, v.path, "'first' is longer than 'max'",
            defaults.max == policy.backoff.max ? "'max' is 30s unless it is given" : "");
}

void read_give_up_after(R& r, const V& v, RestartPolicy& policy) {
  if (v.node.IsScalar() && v.node.Scalar() == "never") {
    policy.give_up_after.reset();
  } else if (v.node.IsScalar() &&
             v.node.Scalar().find_first_not_of("0123456789-") != std::string::npos) {
    r.problem(v, "expected a number of deaths, or never; got '" + v.node.Scalar() + "'");
  } else if (const auto number = r.integer(v, {1, 1'000'000})) {
    policy.give_up_after = static_cast<std::uint32_t>(*number);
  }
}

constexpr std::array<std::string_view, 3> kRestartOn = {"always", "failure", "never"};

constexpr auto kRestartKeys = std::to_array<ConfigKey<RestartPolicy>>({
    {"on",
     [](R& r, const V& v, RestartPolicy& p) {
       if (const auto index = r.choice(v, kRestartOn)) p.on = RestartPolicy::On(*index);
     }},
    {"not_on",
     [](R& r, const V& v, RestartPolicy& p) {
       p.not_on.clear();
       for (const auto& item : r.items(v))
         if (const auto code = r.integer(item, {0, 255})) p.not_on.push_back(int(*code));
     }},
    {"backoff", read_backoff},
    {"give_up_after", read_give_up_after},
    {"reset_after", [](R& r, const V& v,
                       RestartPolicy& p) { set(p.reset_after, r.duration(v, Milliseconds{0})); }},
});

constexpr std::uint64_t kLeastMemory = 1U << 20U;
constexpr std::uint32_t kMostPercent = 1'000'000;

bool is_unlimited(const V& v) {
  return v.node.IsScalar() && v.node.Scalar() == "unlimited";
}

struct Limits {
  std::vector<ResourceLimit>& of_processes;  // NOLINT: lives as long as one call
  TreeLimits& of_tree;                       // NOLINT
};

void read_cpu(R& r, const V& v, Limits& limits) {
  const auto text = r.text(v, "a percentage of one CPU such as 150%");
  if (!text) return;
  std::uint32_t percent = 0;
  const char* const end = text->data() + text->size();
  const auto parsed = std::from_chars(text->data(), end, percent);
  const bool whole = parsed.ec == std::errc() && parsed.ptr + 1 == end && *parsed.ptr == '%';
  if (whole && percent > 0 && percent <= kMostPercent) {
    limits.of_tree.cpu_percent = percent;
  } else {
    r.problem(v, "expected a percentage of one CPU such as 150%; got '" + *text + "'");
  }
}

template <std::int64_t most>
std::optional<std::uint64_t> read_count(R& r, const V& v) {
  const auto count = r.integer(v, {1, most});
  if (!count) return std::nullopt;
  return static_cast<std::uint64_t>(*count);
}

constexpr auto kLimitsKeys = std::to_array<ConfigKey<Limits>>({
    {"memory", [](R& r, const V& v, Limits& l) { l.of_tree.memory = read_memory(r, v); }},
    {"memory_high", [](R& r, const V& v, Limits& l) { l.of_tree.memory_high = read_memory(r, v); }},
    {"cpu", read_cpu},
    {"tasks", [](R& r, const V& v, Limits& l) { l.of_tree.tasks = read_count<1'000'000>(r, v); }},
    {"io_weight",
     [](R& r, const V& v, Limits& l) { l.of_tree.io_weight = read_count<10'000>(r, v); }},
    {"files",
     [](R& r, const V& v, Limits& limits) {
       // Fewer than 16, and not even a shell starts.
       if (const auto count = r.integer(v, {16, 1'073'741'816}))
         limits.of_processes.push_back({RLIMIT_NOFILE, static_cast<rlim_t>(*count)});
     }},
    {"core",
     [](R& r, const V& v, Limits& limits) {
       const auto size = is_unlimited(v) ? RLIM_INFINITY : r.size(v);
       if (size) limits.of_processes.push_back({RLIMIT_CORE, *size});
     }},
});

}  // namespace

void read_start(R& reader, const V& value, StartPolicy& policy) {
  reader.map<StartPolicy>(value, kStartKeys, policy);
}

void read_stop(R& reader, const V& value, StopPolicy& policy) {
  if (value.node.IsScalar()) {
    read_signal(reader, value, policy);
  } else {
    reader.map<StopPolicy>(value, kStopKeys, policy);
  }
}

void read_restart(R& reader, const V& value, RestartPolicy& policy) {
  reader.map<RestartPolicy>(value, kRestartKeys, policy);
}

void read_limits(R& reader, const V& value, std::vector<ResourceLimit>& limits,
                 TreeLimits& tree_limits) {
  Limits both{limits, tree_limits};
  reader.map<Limits>(value, kLimitsKeys, both);
}

std::optional<std::uint64_t> read_memory(R& reader, const V& value) {
  const auto size = reader.size(value);
  if (!size || *size >= kLeastMemory) return size;
  reader.problem(value, "expected at least 1M: no app lives in less");
  return std::nullopt;
}

void append_policy_key_paths(std::vector<std::string>& paths, const std::string& app) {
  append_key_paths<StartPolicy>(paths, app + ".start", kStartKeys);
  append_key_paths<StopPolicy>(paths, app + ".stop", kStopKeys);
  append_key_paths<RestartPolicy>(paths, app + ".restart", kRestartKeys);
  append_key_paths<Backoff>(paths, app + ".restart.backoff", kBackoffKeys);
  append_key_paths<Limits>(paths, app + ".limits", kLimitsKeys);
}

}  // namespace dixis
