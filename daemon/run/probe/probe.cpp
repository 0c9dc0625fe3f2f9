#include "daemon/run/probe/probe.hpp"

#include <boost/asio.hpp>

#include "daemon/logs/within.hpp"
#include "daemon/run/probe/probe_kinds.hpp"
#include "daemon/sys/clock.hpp"

namespace dixis {

namespace {

namespace asio = boost::asio;

Task<ProbeAnswer> ask_tcp(ProbeTarget target, TcpProbe probe, Milliseconds timeout) {
  using Protocol = asio::generic::stream_protocol;
  Protocol::endpoint endpoint;
  std::string where;
  if (target.socket && probe.port == 0) {
    endpoint = asio::local::stream_protocol::endpoint(*target.socket);
    where = "its own socket";
  } else {
    const auto at = address_of(target, probe.host, probe.port);
    if (!at) co_return ProbeAnswer{false, at.error().message, 0};
    endpoint = asio::ip::tcp::endpoint(asio::ip::make_address(at->host), at->port);
    where = at->host + ":" + std::to_string(at->port);
  }
  const auto executor = co_await asio::this_coro::executor;
  auto connect = [](asio::any_io_executor on,
                    Protocol::endpoint to) -> Task<boost::system::error_code> {
    Protocol::socket socket(on);
    const auto [error] = co_await socket.async_connect(to, asio::as_tuple(asio::use_awaitable));
    co_return error;
  }(executor, endpoint);
  const auto error = co_await within(timeout, std::move(connect));
  ProbeAnswer answer;
  answer.good = error && !*error;
  answer.text =
      answer.good ? "accepts connections"
      : error     ? "cannot connect to " + where + ": " + error->message()
              : "no connection to " + where + " within " + std::to_string(timeout.count()) + " ms";
  co_return answer;
}

Task<ProbeAnswer> dispatch(Services& services, ProbeTarget target, ProbeSpec spec) {
  if (const auto* http = std::get_if<HttpProbe>(&spec.what)) {
    HttpProbe probe = *http;
    co_return co_await ask_http(services, std::move(target), std::move(probe), spec.timeout);
  }
  if (std::holds_alternative<ManifestProbe>(spec.what)) {
    co_return co_await ask_manifest(std::move(target), spec.timeout);
  }
  if (const auto* tcp = std::get_if<TcpProbe>(&spec.what)) {
    TcpProbe probe = *tcp;
    co_return co_await ask_tcp(std::move(target), std::move(probe), spec.timeout);
  }
  if (const auto* exec = std::get_if<ExecProbe>(&spec.what)) {
    ExecProbe probe = *exec;
    co_return co_await ask_exec(services, std::move(target), std::move(probe), spec.timeout);
  }
  co_return ProbeAnswer{false, "it says by itself how it is", 0};
}

}  // namespace

Result<ListenAddress> address_of(const ProbeTarget& target, const std::string& host,
                                 std::uint16_t port) {
  ListenAddress out{host, port};
  if (port == 0) {
    if (!target.listen || target.listen->port == 0) return Error{"its port isn't known yet"};
    out = *target.listen;
    if (!host.empty()) out.host = host;
  }
  if (out.host.empty() || out.host == "0.0.0.0" || out.host == "localhost") out.host = "127.0.0.1";
  if (out.host == "::") out.host = "::1";
  return out;
}

Task<ProbeAnswer> run_probe(Services& services, ProbeTarget target, ProbeSpec spec) {
  const auto begun = boottime_ms();
  ProbeAnswer answer;
  try {
    answer = co_await dispatch(services, std::move(target), std::move(spec));
  } catch (const boost::system::system_error& error) {
    if (error.code() == asio::error::operation_aborted) throw;
    answer.text = error.what();
  }
  answer.latency_ms = boottime_ms() - begun;
  co_return answer;
}

}  // namespace dixis
