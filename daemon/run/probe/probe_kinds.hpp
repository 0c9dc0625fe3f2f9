#pragma once

#include "daemon/run/probe/probe.hpp"

/// The kinds of probes, for probe.cpp alone. Each ends within `timeout`, and a moment for what has
/// to be killed.
namespace dixis {

/// Where `host` and `port` of a probe are: where they are empty, the app's own. A wildcard is asked
/// on its loopback.
Result<ListenAddress> address_of(const ProbeTarget& target, const std::string& host,
                                 std::uint16_t port);

Task<ProbeAnswer> ask_http(Services& services, ProbeTarget target, HttpProbe probe,
                           Milliseconds timeout);
Task<ProbeAnswer> ask_manifest(ProbeTarget target, Milliseconds timeout);
Task<ProbeAnswer> ask_exec(Services& services, ProbeTarget target, ExecProbe probe,
                           Milliseconds timeout);

}  // namespace dixis
