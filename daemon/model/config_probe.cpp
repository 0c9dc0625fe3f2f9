#include "daemon/model/config_probe.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include "daemon/model/config_values.hpp"
#include "daemon/model/probe_words.hpp"

namespace dixis {
namespace {

using R = ConfigReader;
using V = ConfigValue;

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// --- http: the request and what is expected of its answer -----------------------------------

void read_method(R& r, const V& v, HttpProbe& http) {
  static constexpr std::array<std::string_view, 4> kMethods = {"GET", "HEAD", "OPTIONS", "POST"};
  if (const auto index = r.choice(v, kMethods)) http.method = kMethods[*index];
}

/// Names in lower case, for a name may stand here once only, however it is written.
using Headers = std::map<std::string, std::pair<std::string, std::string>>;

/// `of_request`: without those that say how it is sent.
Headers read_header_map(R& r, const V& v, bool of_request) {
  static constexpr std::array<std::string_view, 3> kOwn = {"connection", "content-length",
                                                           "transfer-encoding"};
  Headers headers;
  if (!v.node.IsMap()) {
    r.problem(v, "expected a mapping of header names to values", "write headers: {Name: value}");
    return headers;
  }
  const auto entries = r.entries(v);
  for (const auto& [name, value] : *entries) {
    if (!value.node.IsDefined() || value.node.IsNull()) {
      r.problem(value.key, value.path, "the header has no value", "write '' for an empty one");
      continue;
    }
    auto text = r.text(value, "text, a number, true or false");
    if (!text) continue;
    if (const auto wrong = header_problem(name, *text)) {
      r.problem(value.key, value.path, wrong->message, wrong->hint);
    } else if (of_request && std::find(kOwn.begin(), kOwn.end(), lower_case(name)) != kOwn.end()) {
      r.problem(value.key, value.path, "'" + name + "' is set by dixis itself", "remove it");
    } else if (!headers.emplace(lower_case(name), std::pair(name, std::move(*text))).second) {
      r.problem(value.key, value.path, "the header '" + name + "' is here twice",
                "upper and lower case make no difference; remove one of the two");
    }
  }
  return headers;
}

void read_headers(R& r, const V& v, HttpProbe& http) {
  for (const auto& [lower, header] : read_header_map(r, v, true)) http.headers.insert(header);
}

void read_statuses(R& r, const V& v, HttpProbe& http) {
  http.status.clear();
  const auto items = r.items(v);
  if (items.empty()) r.problem(v, "no status is expected", "write at least one, such as 2xx");
  for (const auto& item : items) {
    const auto text = r.text(item, "a status such as 200, 200-399 or 2xx");
    if (!text) continue;
    const auto range = parse_status(*text);
    if (range) {
      http.status.push_back(*range);
    } else {
      r.problem(item, range.error().message, range.error().hint);
    }
  }
}

void read_matches(R& r, const V& v, HttpProbe& http) {
  auto text = r.text(v, "a regular expression");
  if (!text) return;
  if (const auto compiled = compile_expression(*text)) {
    http.matches = std::move(*text);
  } else {
    r.problem(v, compiled.error().message, compiled.error().hint);
  }
}

constexpr auto kExpectKeys = std::to_array<ConfigKey<HttpProbe>>({
    {"status", read_statuses},
    {"headers",
     [](R& r, const V& v, HttpProbe& h) {
       for (auto& [name, header] : read_header_map(r, v, false))
         h.expect_headers[name] = header.second;
     }},
    {"contains", [](R& r, const V& v, HttpProbe& h) { h.contains = r.texts(v, "a text"); }},
    {"lacks", [](R& r, const V& v, HttpProbe& h) { h.lacks = r.texts(v, "a text"); }},
    {"matches", read_matches},
});

void read_expect(R& r, const V& v, HttpProbe& http) {
  if (!v.node.IsMap()) {
    read_statuses(r, v, http);
    return;
  }
  http.status.clear();
  r.map<HttpProbe>(v, kExpectKeys, http);
  if (!http.status.empty()) return;
  // Who expects a location means a redirect.
  if (http.expect_headers.contains("location")) {
    http.status = {{300, 399}};
  } else {
    http.status = {StatusRange{}};
  }
}

// --- a probe --------------------------------------------------------------------------------

/// A probe as it is read: its keys come in any order.
struct ProbeDraft {
  ProbeSpec spec{};
  HttpProbe http{};
  std::vector<V> kinds{};  ///< the keys that say what is asked
  std::vector<V> others{};
  std::optional<V> timeout{};  ///< where it is written
  std::optional<V> expect{};
  bool interval = false;  ///< it is written
};
using P = ProbeDraft;

void read_http(R& r, const V& v, P& probe) {
  probe.kinds.push_back(v);
  const auto text = r.text(v, "a path, a URL or unix:/SOCKET:/PATH");
  if (!text) return;
  const auto target = parse_http_target(*text);
  if (!target) {
    r.problem(v, target.error().message, target.error().hint);
    return;
  }
  probe.http.socket = target->socket;
  probe.http.host = target->host;
  probe.http.port = target->port;
  probe.http.path = target->path;
}

void read_tcp(R& r, const V& v, P& probe) {
  probe.kinds.push_back(v);
  const auto text = r.text(v, "a port, HOST:PORT, or own");
  if (!text) return;
  const auto target = parse_tcp_target(*text);
  if (target) {
    probe.spec.what = *target;
  } else {
    r.problem(v, target.error().message, target.error().hint);
  }
}

void read_exec(R& r, const V& v, P& probe) {
  probe.kinds.push_back(v);
  probe.spec.what = ExecProbe{read_words(r, v)};
}

void read_notify(R& r, const V& v, P& probe) {
  probe.kinds.push_back(v);
  probe.spec.what = NotifyProbe{};
  if (!v.node.IsScalar() || v.node.Scalar() != "true")
    r.problem(v, "expected notify: true", "leave the probe out where the app doesn't notify");
}

void read_interval(R& r, const V& v, P& probe) {
  // Below this, an app is busier with probes than with work.
  constexpr Milliseconds kShortest{100};
  probe.others.push_back(v);
  probe.interval = true;
  if (const auto interval = r.duration(v, kShortest)) probe.spec.interval = *interval;
}

void read_timeout(R& r, const V& v, P& probe) {
  probe.others.push_back(v);
  if (const auto timeout = r.duration(v, Milliseconds{1})) {
    probe.timeout = v;
    probe.spec.timeout = *timeout;
  }
}

std::uint32_t read_count(R& r, const V& v, std::uint32_t otherwise) {
  const auto count = r.integer(v, {1, 1'000'000});
  return count ? static_cast<std::uint32_t>(*count) : otherwise;
}

constexpr auto kProbeKeys = std::to_array<ConfigKey<P>>({
    {"http", read_http},
    {"tcp", read_tcp},
    {"exec", read_exec},
    {"notify", read_notify},
    {"interval", read_interval},
    {"timeout", read_timeout},
    {"failures",
     [](R& r, const V& v, P& p) {
       p.others.push_back(v);
       p.spec.failures = read_count(r, v, p.spec.failures);
     }},
    {"successes",
     [](R& r, const V& v, P& p) {
       p.others.push_back(v);
       p.spec.successes = read_count(r, v, p.spec.successes);
     }},
    {"method",
     [](R& r, const V& v, P& p) {
       p.others.push_back(v);
       read_method(r, v, p.http);
     }},
    {"headers",
     [](R& r, const V& v, P& p) {
       p.others.push_back(v);
       read_headers(r, v, p.http);
     }},
    {"expect",
     [](R& r, const V& v, P& p) {
       p.others.push_back(v);
       p.expect = v;
       read_expect(r, v, p.http);
     }},
});

/// Why a key has no meaning for this kind of probe; nothing where it has.
std::optional<Error> misplaced(const std::string& key, const std::string& kind, bool has_interval) {
  if (key == "method" || key == "headers" || key == "expect") {
    if (kind == "http") return std::nullopt;
    return Error{"'" + key + "' belongs to an http probe; this one is " + kind, "remove it"};
  }
  if (kind != "notify" || key == "interval") return std::nullopt;
  if (key == "timeout")
    return Error{"nobody is asked by a notify probe, so there is no answer to time out",
                 "'interval' says how often the app has to send WATCHDOG=1"};
  if (has_interval) return std::nullopt;
  return Error{"'" + key + "' counts the app's WATCHDOG=1, which it need not send",
               "add interval: DURATION, within which each is due"};
}

void settle_timeout(R& r, P& probe) {
  auto& spec = probe.spec;
  if (!probe.timeout) {
    spec.timeout = std::min(spec.timeout, spec.interval);
  } else if (spec.timeout > spec.interval) {
    r.problem(*probe.timeout, "the timeout is longer than the interval",
              probe.interval ? "a probe has to end before the next one begins"
                             : "the interval is 10s unless it is given");
  }
}

void settle_http(R& r, P& probe) {
  const auto& http = probe.http;
  if (probe.expect && http.method == "HEAD" &&
      (!http.contains.empty() || !http.lacks.empty() || http.matches))
    r.problem(*probe.expect, "the answer to HEAD has no body to look into", "use method: GET");
  probe.spec.what = http;
}

}  // namespace

std::optional<ReadProbe> read_probe(R& reader, const V& value) {
  if (!value.node.IsMap()) {
    reader.problem(value, "expected a probe, which is a mapping",
                   "for example {http: /api/health}");
    return std::nullopt;
  }
  P probe;
  const bool understood = reader.map<P>(value, kProbeKeys, probe);
  if (probe.kinds.empty()) {
    if (understood)
      reader.problem(value, "this probe asks nothing", "give it one of http, tcp, exec or notify");
    return std::nullopt;
  }
  const auto& kind = probe.kinds[0];
  if (probe.kinds.size() > 1) {
    const auto& second = probe.kinds[1];
    reader.problem(
        second.key, second.path, "'" + kind.name() + "' and '" + second.name() + "' are two probes",
        "make them a list: health: [{" + kind.name() + ": …}, {" + second.name() + ": …}]");
    return std::nullopt;
  }
  for (const auto& key : probe.others)
    if (const auto wrong = misplaced(key.name(), kind.name(), probe.interval))
      reader.problem(key.key, key.path, wrong->message, wrong->hint);
  if (kind.name() == "http") settle_http(reader, probe);
  if (auto* notify = std::get_if<NotifyProbe>(&probe.spec.what)) {
    notify->watchdog = probe.interval;
    probe.timeout.reset();
  }
  settle_timeout(reader, probe);
  probe.spec.name = probe_name(probe.spec);
  return ReadProbe{std::move(probe.spec), kind};
}

void append_probe_key_paths(std::vector<std::string>& paths, const std::string& prefix) {
  append_key_paths<P>(paths, prefix, kProbeKeys);
  append_key_paths<HttpProbe>(paths, prefix + ".expect", kExpectKeys);
}

}  // namespace dixis
