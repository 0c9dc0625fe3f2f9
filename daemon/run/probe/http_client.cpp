// The only translation unit that knows Beast: its templates cost more to compile than all else
// here.
#include "daemon/run/probe/http_client.hpp"

#include <algorithm>
#include <cctype>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "common/version.hpp"
#include "daemon/logs/within.hpp"

namespace dixis {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Socket = asio::generic::stream_protocol::socket;
using boost::system::error_code;

constexpr std::uint32_t kHeaderLimit = 16U << 10U;
constexpr auto kQuiet = asio::as_tuple(asio::use_awaitable);

/// How far a request has come, for the words about one that was cut off by its timeout.
struct Stage {
  bool connected = false;
  bool header = false;
};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return out;
}

std::string place(const HttpRequest& request) {
  if (request.socket) return *request.socket;
  const bool ipv6 = request.host.find(':') != std::string::npos;
  return (ipv6 ? "[" + request.host + "]" : request.host) + ":" + std::to_string(request.port);
}

std::string seconds(std::chrono::milliseconds duration) {
  if (duration.count() % 1000 != 0) return std::to_string(duration.count()) + " ms";
  return std::to_string(duration.count() / 1000) + " s";
}

Result<asio::generic::stream_protocol::endpoint> endpoint_of(const HttpRequest& request) {
  if (request.socket) {
    if (request.socket->size() >= 108) return Error{"the path of its socket is too long"};
    return asio::generic::stream_protocol::endpoint(
        asio::local::stream_protocol::endpoint(*request.socket));
  }
  error_code error;
  const auto address = asio::ip::make_address(request.host, error);
  if (error) return Error{"'" + request.host + "' is no address"};
  return asio::generic::stream_protocol::endpoint(asio::ip::tcp::endpoint(address, request.port));
}

http::request<http::empty_body> to_beast(const HttpRequest& request) {
  http::request<http::empty_body> out;
  out.version(11);
  out.method_string(request.method);
  out.target(request.path);
  out.set(http::field::host, request.socket ? "localhost" : place(request));
  out.set(http::field::user_agent, "dixis/" + std::string(kVersion));
  out.set(http::field::connection, "close");
  for (const auto& [name, value] : request.headers) out.set(name, value);
  return out;
}

using Parser = http::response_parser<http::buffer_body>;
constexpr int kMostInterim = 16;

HttpAnswer to_answer(const http::response<http::buffer_body>& response) {
  HttpAnswer out;
  out.status = static_cast<int>(response.result_int());
  out.reason = std::string(response.reason());
  if (out.reason.empty()) out.reason = std::string(http::obsolete_reason(response.result()));
  for (const auto& field : response) {
    out.headers.emplace(lower(field.name_string()), std::string(field.value()));
  }
  return out;
}

Error read_error(const error_code& error, bool any) {
  if (error == http::error::header_limit) return {"its header is longer than 16 KiB"};
  if (error == http::error::end_of_stream || error == asio::error::eof ||
      error == asio::error::connection_reset || error == http::error::partial_message) {
    return {any ? "closed the connection in the middle of its answer"
                : "closed the connection without an answer"};
  }
  if (error.category() == http::make_error_code(http::error::bad_version).category()) {
    return {"not HTTP: " + error.message()};
  }
  return {"cannot read its answer: " + error.message()};
}

/// 100 Continue, 103 Early Hints and their like come before the answer (RFC 9110, 15.2).
bool is_interim(const Parser& parser) {
  const auto status = parser.get().result_int();
  return status >= 100 && status <= 199 && status != 101;
}

/// The first `limit` bytes of the body.
Task<Result<void>> read_body(Socket& socket, beast::flat_buffer& buffer, Parser& parser,
                             std::size_t limit, HttpAnswer& answer) {
  std::vector<char> chunk(std::size_t{16} << 10U);
  while (!parser.is_done()) {
    auto& body = parser.get().body();
    body.data = chunk.data();
    body.size = chunk.size();
    const auto [error, size] = co_await http::async_read(socket, buffer, parser, kQuiet);
    static_cast<void>(size);
    const std::size_t got = chunk.size() - body.size;
    const std::size_t room = limit - answer.body.size();
    answer.body.append(chunk.data(), std::min(got, room));
    if (got > room || (answer.body.size() == limit && !parser.is_done())) {
      answer.truncated = true;
      co_return Result<void>{};
    }
    if (error && error != http::error::need_buffer) co_return read_error(error, true);
  }
  co_return Result<void>{};
}

Task<Result<HttpAnswer>> exchange(HttpRequest request, std::shared_ptr<Stage> stage) {
  const auto executor = co_await asio::this_coro::executor;
  const auto endpoint = endpoint_of(request);
  if (!endpoint) co_return endpoint.error();
  Socket socket(executor);
  {
    const auto [error] = co_await socket.async_connect(*endpoint, kQuiet);
    if (error) co_return Error{"cannot connect to " + place(request) + ": " + error.message()};
  }
  stage->connected = true;
  const auto message = to_beast(request);
  {
    const auto [error, size] = co_await http::async_write(socket, message, kQuiet);
    static_cast<void>(size);
    // One that answers without reading may have closed its side: what it said counts.
    if (error && error != asio::error::broken_pipe && error != asio::error::connection_reset) {
      co_return Error{"cannot send the request: " + error.message()};
    }
  }
  beast::flat_buffer buffer(kHeaderLimit + (std::size_t{64} << 10U));
  std::optional<Parser> parser_of_final;
  for (int interim = 0; !parser_of_final || is_interim(*parser_of_final); ++interim) {
    if (interim > kMostInterim) co_return Error{"it sends nothing but interim answers (1xx)"};
    parser_of_final.emplace();
    Parser& fresh = *parser_of_final;
    fresh.header_limit(kHeaderLimit);
    fresh.body_limit(boost::none);
    if (request.method == "HEAD") fresh.skip(true);
    const auto [error, size] = co_await http::async_read_header(socket, buffer, fresh, kQuiet);
    if (error) co_return read_error(error, size > 0);
  }
  Parser& parser = *parser_of_final;
  stage->header = true;
  HttpAnswer answer = to_answer(parser.get());
  const auto read = co_await read_body(socket, buffer, parser, request.body_limit, answer);
  if (!read) co_return read.error();
  co_return answer;
}

}  // namespace

Task<Result<HttpAnswer>> http_request(HttpRequest request, std::chrono::milliseconds timeout) {
  const auto stage = std::make_shared<Stage>();
  const std::string where = place(request);
  auto task = exchange(std::move(request), stage);
  auto answer = co_await within(timeout, std::move(task));
  if (answer) co_return std::move(*answer);
  const std::string limit = " within " + seconds(timeout);
  if (!stage->connected) co_return Error{"cannot connect to " + where + limit};
  if (!stage->header) co_return Error{"no answer" + limit};
  co_return Error{"the answer wasn't finished" + limit};
}

}  // namespace dixis
