#pragma once

#include <optional>
#include <regex>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "daemon/model/health_spec.hpp"

/// The small languages of `health`.
namespace dixis {

/// Whom to ask, and for what: "/path" (the app's own listener), "http://127.0.0.1:3000/path" or
/// "unix:/path/to.sock:/path".
Result<HttpProbe> parse_http_target(std::string_view text);

/// "own" or "true" (the app's own listener), PORT, HOST:PORT or [IPV6]:PORT.
Result<TcpProbe> parse_tcp_target(std::string_view text);

/// What is wrong with the path of a request, query included.
std::optional<Error> request_path_problem(std::string_view path);

/// "200", "200-399" or "2xx".
Result<StatusRange> parse_status(std::string_view text);

/// What is wrong with a header. The value is not in the message: it may be a secret.
std::optional<Error> header_problem(std::string_view name, std::string_view value);

/// The expression of `matches`, for std::regex_search: finds whether it is anywhere in a text, in
/// time in proportion to the text's length and with a stack that doesn't grow with it. What is
/// matched (the submatches) says nothing. Not on the loop's thread: 256 KiB may take a second or
/// two.
Result<std::regex> compile_expression(std::string_view expression);

/// As people see a probe: "http /api/health", "http 127.0.0.1:3000/x", "tcp 3000", "tcp",
/// "exec check.sh", "notify". Without the query, which may hold a secret.
std::string probe_name(const ProbeSpec& probe);

}  // namespace dixis
