#include "daemon/model/probe_words.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cctype>
#include <charconv>
#include <sys/un.h>
#include <type_traits>

#include "daemon/model/command_facts.hpp"

namespace dixis {
namespace {

constexpr std::uint16_t kHttpPort = 80;

std::string in_quotes(std::string_view text) {
  return "'" + std::string(text) + "'";
}

/// Host and port as in a URL, the port left out where it is 0.
std::string authority(const std::string& host, std::uint16_t port) {
  const bool is_v6 = host.find(':') != std::string::npos;
  std::string text = is_v6 ? "[" + host + "]" : host;
  if (port == 0) return text;
  if (!text.empty()) text += ':';
  return text + std::to_string(port);
}

/// A probe looks nothing up: only a number, or the one name that is always this machine.
std::optional<Error> host_problem(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  if (host == "localhost" || ::inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
      ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1)
    return std::nullopt;
  return Error{
      "a probe asks this machine: " + in_quotes(host) + " is neither a number nor localhost",
      "write 127.0.0.1, or the number where the app listens"};
}

Result<HttpProbe> parse_url(std::string_view rest) {
  const auto end = std::min(rest.find_first_of("/?#"), rest.size());
  const auto where = rest.substr(0, end);
  if (where.find('@') != std::string_view::npos)
    return Error{"user and password can't stand in a probe's URL",
                 "write headers: {Authorization: …}"};
  HttpProbe probe;
  const bool has_port = !where.ends_with(']') && where.find(':') != std::string_view::npos;
  const auto address =
      parse_listen_address(has_port ? std::string(where) : std::string(where) + ":80");
  if (!address || address->host.empty())
    return Error{"expected http://HOST:PORT/PATH; got 'http://" + std::string(where) + "'",
                 "for example http://127.0.0.1:3000/api/health"};
  if (auto wrong = host_problem(address->host)) {
    wrong->hint = "write 127.0.0.1; the name that the app expects can go to headers: {Host: NAME}";
    return *wrong;
  }
  probe.host = address->host;
  probe.port = has_port ? address->port : kHttpPort;
  probe.path = rest.substr(end);
  if (!probe.path.starts_with('/')) probe.path.insert(0, "/");
  if (auto wrong = request_path_problem(probe.path)) return *wrong;
  return probe;
}

Result<HttpProbe> parse_unix(std::string_view rest) {
  HttpProbe probe;
  const auto colon = rest.find(":/");
  const auto socket = rest.substr(0, colon);
  if (!socket.starts_with('/') || socket.size() < 2)
    return Error{"expected unix:/PATH/OF/SOCKET:/PATH; got 'unix:" + std::string(rest) + "'",
                 "the socket's path is absolute, and a colon ends it"};
  if (socket.size() >= sizeof(sockaddr_un::sun_path))
    return Error{"the socket's path is too long: " + std::to_string(socket.size()) +
                     " characters, and the kernel takes " +
                     std::to_string(sizeof(sockaddr_un::sun_path) - 1),
                 "use a shorter one"};
  probe.socket = std::string(socket);
  if (colon != std::string_view::npos) probe.path = rest.substr(colon + 1);
  if (auto wrong = request_path_problem(probe.path)) return *wrong;
  return probe;
}

std::optional<int> parse_code(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           (c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(char(c)) != std::string_view::npos);
  });
}

/// How often `{n}` and `{n,m}` repeat, multiplied: what they may make of the expression.
std::size_t repetitions(std::string_view expression, std::size_t most) {
  std::size_t product = 1;
  for (auto at = expression.find('{'); at != std::string_view::npos;
       at = expression.find('{', at + 1)) {
    std::size_t largest = 1;
    const auto inside = expression.substr(at + 1, expression.find('}', at) - at - 1);
    for (std::size_t i = 0; i < inside.size();) {
      std::size_t count = 0;
      const auto* begin = inside.data() + i;
      const auto [end, error] = std::from_chars(begin, inside.data() + inside.size(), count);
      if (error == std::errc::result_out_of_range) return most + 1;
      largest = std::max(largest, count);
      i += std::max<std::size_t>(1, static_cast<std::size_t>(end - begin));
    }
    if (largest > most / product) return most + 1;
    product *= largest;
  }
  return product;
}

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

std::string name_of(const HttpProbe& probe) {
  std::string path = probe.path.substr(0, probe.path.find('?'));
  if (path.size() < probe.path.size()) path += "?…";
  if (probe.socket) return "http unix:" + probe.socket->string() + ":" + path;
  return "http " + authority(probe.host, probe.port) + path;
}

std::string name_of(const TcpProbe& probe) {
  const auto where = authority(probe.host, probe.port);
  return where.empty() ? "tcp" : "tcp " + where;
}

std::string name_of(const ExecProbe& probe) {
  return "exec " + (probe.command.empty() ? "" : base_name(probe.command[0]));
}

std::string name_of(const NotifyProbe&) {
  return "notify";
}

std::string name_of(const ManifestProbe&) {
  return "build manifest";
}

}  // namespace

std::optional<Error> request_path_problem(std::string_view path) {
  if (!path.starts_with('/'))
    return Error{"expected a path that begins with '/'; got " + in_quotes(path)};
  const auto visible = [](unsigned char c) { return c > 0x20 && c < 0x7F; };
  if (!std::all_of(path.begin(), path.end(), visible))
    return Error{"a path can't hold blanks, control characters or letters beyond ASCII",
                 "encode them: a blank is %20"};
  if (path.find('#') != std::string_view::npos)
    return Error{"what follows a '#' is never sent to a server", "leave it out, or write %23"};
  return std::nullopt;
}

Result<HttpProbe> parse_http_target(std::string_view text) {
  constexpr std::string_view kUrl = "http://";
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUrl)) return parse_url(text.substr(kUrl.size()));
  if (text.starts_with(kUnix)) return parse_unix(text.substr(kUnix.size()));
  if (text.starts_with("https://"))
    return Error{"a probe speaks plain http: it asks the app itself, not what speaks TLS for it",
                 "write http://127.0.0.1:PORT/PATH; for TLS there is exec: curl …"};
  if (!text.starts_with('/')) {
    Error expected{"expected /PATH, http://HOST:PORT/PATH or unix:/SOCKET:/PATH; got " +
                   in_quotes(text)};
    const bool has_host = text.find(':') != std::string_view::npos ||
                          text.starts_with("localhost") || text.starts_with("127.");
    if (!text.empty() && text.find("://") == std::string_view::npos)
      expected.hint =
          "did you mean '" + std::string(has_host ? "http://" : "/") + std::string(text) + "'?";
    return expected;
  }
  if (auto wrong = request_path_problem(text)) return *wrong;
  HttpProbe probe;
  probe.path = text;
  return probe;
}

Result<TcpProbe> parse_tcp_target(std::string_view text) {
  if (text == "own" || text == "true") return TcpProbe{};
  const auto address = parse_listen_address(text);
  if (!address)
    return Error{
        "expected a port, HOST:PORT, or own for the app's listener; got " + in_quotes(text),
        "for example 3000 or 127.0.0.1:3000"};
  if (!address->host.empty())
    if (auto wrong = host_problem(address->host)) return *wrong;
  return TcpProbe{address->host, address->port};
}

Result<StatusRange> parse_status(std::string_view text) {
  constexpr int kLeast = 100;
  constexpr int kMost = 599;
  const Error expected{"expected a status from 100 to 599 such as 200, 200-399 or 2xx; got " +
                       in_quotes(text)};
  if (text.size() == 3 && (text.substr(1) == "xx" || text.substr(1) == "XX")) {
    const int hundreds = text[0] - '0';
    if (hundreds < 1 || hundreds > 5) return expected;
    return StatusRange{hundreds * 100, hundreds * 100 + 99};
  }
  const auto dash = text.find('-');
  const auto first = parse_code(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_code(text.substr(dash + 1));
  if (!first || !last || *first < kLeast || *last > kMost || *first > kMost || *last < kLeast)
    return expected;
  if (*first > *last)
    return Error{"a range begins with its smaller end; got " + in_quotes(text),
                 "write " + std::to_string(*last) + "-" + std::to_string(*first)};
  return StatusRange{*first, *last};
}

std::optional<Error> header_problem(std::string_view name, std::string_view value) {
  if (!is_token(name))
    return Error{in_quotes(name) + " can't be the name of a header",
                 "a name has letters, digits and '-', without blank or colon"};
  const auto forbidden = [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7F; };
  if (std::any_of(value.begin(), value.end(), forbidden))
    return Error{"the value of the header '" + std::string(name) +
                     "' has a line break or another control character in it",
                 "a header is one line"};
  return std::nullopt;
}

Result<std::regex> compile_expression(std::string_view expression) {
  // Each state of it costs time at each character.
  constexpr std::size_t kLargest = 2'000;
  constexpr std::size_t kLongest = 1'000;
  // libstdc++'s usual way backtracks and recurses once a character: a long body overflows the
  // stack.
  constexpr auto kFlags = std::regex::ECMAScript | std::regex_constants::__polynomial;
  if (expression.size() > kLongest ||
      repetitions(expression, kLargest) > kLargest / std::max<std::size_t>(1, expression.size()))
    return Error{"this expression is too large", "shorten it, or repeat less often in {braces}"};
  const std::string text(expression);
  try {
    const std::regex by_itself(text, kFlags);  // "a)(b" would be whole between the parentheses
    // A search begins anew at each character: quadratic, minutes for a long line. Anchored, it
    // passes once, and ends at once where it begins anew.
    return std::regex("^[\\s\\S]*(?:" + text + ")", kFlags);
  } catch (const std::regex_error& error) {
    std::string reason = error.what();
    while (reason.ends_with('.')) reason.pop_back();
    return Error{"this is not a regular expression: " + reason,
                 "it is read as ECMAScript (JavaScript) reads it, without back references"};
  }
}

std::string probe_name(const ProbeSpec& probe) {
  return std::visit([](const auto& what) { return name_of(what); }, probe.what);
}

}  // namespace dixis
