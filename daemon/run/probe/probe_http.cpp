// What an HTTP answer has to be.
#include <algorithm>
#include <regex>

#include "daemon/logs/within.hpp"
#include "daemon/model/probe_words.hpp"
#include "daemon/run/probe/http_client.hpp"
#include "daemon/run/probe/probe_kinds.hpp"

namespace dixis {

namespace {

std::string status_text(const HttpAnswer& answer) {
  return std::to_string(answer.status) + (answer.reason.empty() ? "" : " " + answer.reason);
}

/// The path of a location, if it is one on the host that was asked.
std::string local_path(const std::string& location, const std::string& host) {
  for (const std::string scheme : {"http://", "https://"}) {
    if (location.rfind(scheme, 0) != 0) continue;
    const auto slash = location.find('/', scheme.size());
    const auto authority = location.substr(scheme.size(), slash - scheme.size());
    const auto name = authority.substr(0, authority.rfind(':'));
    if (name != host && name != "localhost" && name != "127.0.0.1" && authority != host) break;
    return slash == std::string::npos ? "/" : location.substr(slash);
  }
  return location;
}

bool header_fits(const std::string& name, const std::string& value, const std::string& wanted,
                 const std::string& host) {
  return value == wanted || (name == "location" && local_path(value, host) == wanted);
}

/// What is wrong with an answer; empty: nothing.
std::string complaint(const HttpAnswer& answer, const HttpProbe& probe, const std::string& host) {
  const bool fits =
      std::any_of(probe.status.begin(), probe.status.end(), [&](const StatusRange& range) {
        return answer.status >= range.first && answer.status <= range.last;
      });
  if (!fits) {
    const auto location = answer.headers.find("location");
    return status_text(answer) +
           (location == answer.headers.end() ? "" : " to " + location->second);
  }
  for (const auto& [name, wanted] : probe.expect_headers) {
    const auto found = answer.headers.find(name);
    if (found == answer.headers.end()) return status_text(answer) + ", but without header " + name;
    if (!header_fits(name, found->second, wanted, host)) {
      return status_text(answer) + ", but " + name + " is '" + found->second + "', not '" + wanted +
             "'";
    }
  }
  for (const auto& text : probe.contains) {
    if (answer.body.find(text) == std::string::npos) {
      return status_text(answer) + ", but the body lacks '" + text + "'";
    }
  }
  for (const auto& text : probe.lacks) {
    if (answer.body.find(text) != std::string::npos) {
      return status_text(answer) + ", but the body holds '" + text + "'";
    }
  }
  return "";
}

bool matches(const std::string& body, const std::string& expression) {
  const auto compiled = compile_expression(expression);
  try {
    return compiled && std::regex_search(body, *compiled);
  } catch (const std::regex_error&) {
    return false;  // too complex for this text
  }
}

}  // namespace

Task<ProbeAnswer> ask_http(Services& services, ProbeTarget target, HttpProbe probe,
                           Milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  HttpRequest request;
  if (probe.socket) {
    request.socket = probe.socket->string();
  } else if (target.socket && probe.port == 0) {
    request.socket = target.socket;
  } else {
    const auto at = address_of(target, probe.host, probe.port);
    if (!at) co_return ProbeAnswer{false, at.error().message, 0};
    request.host = at->host;
    request.port = at->port;
  }
  request.method = probe.method;
  request.path = probe.path;
  request.headers = probe.headers;
  const std::string host = request.host;
  const auto answer = co_await http_request(std::move(request), timeout);
  if (!answer) co_return ProbeAnswer{false, answer.error().message, 0};
  std::string wrong = complaint(*answer, probe, host);
  if (wrong.empty() && probe.matches) {
    auto work = [body = answer->body, expression = *probe.matches] {
      return matches(body, expression);
    };
    auto matching = services.slow_worker.run(std::move(work));
    const auto left = std::max(
        Milliseconds(1), std::chrono::ceil<Milliseconds>(until - std::chrono::steady_clock::now()));
    const auto found = co_await within(left, std::move(matching));
    if (!found) wrong = status_text(*answer) + ", but matching its body took too long";
    if (found && !*found) {
      wrong = status_text(*answer) + ", but the body doesn't match /" + *probe.matches + "/";
    }
  }
  co_return ProbeAnswer{wrong.empty(), wrong.empty() ? status_text(*answer) : wrong, 0};
}

Task<ProbeAnswer> ask_manifest(ProbeTarget target, Milliseconds timeout) {
  HttpRequest request;
  request.socket = target.socket;
  if (!target.socket) {
    const auto at = address_of(target, "", 0);
    if (!at) co_return ProbeAnswer{false, at.error().message, 0};
    request.host = at->host;
    request.port = at->port;
  }
  request.path = target.base_path + "/";
  if (target.build_id) {
    request.path += "_next/static/" + *target.build_id + "/_buildManifest.js";
  }
  const auto answer = co_await http_request(std::move(request), timeout);
  if (!answer) co_return ProbeAnswer{false, answer.error().message, 0};
  co_return ProbeAnswer{answer->status < 500, status_text(*answer), 0};
}

}  // namespace dixis
