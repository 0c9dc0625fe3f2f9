#include "daemon/run/port_check.hpp"

#include <cerrno>
#include <cstring>
#include <system_error>

namespace dixis {

namespace {

std::vector<pid_t> pids_of(const std::vector<ProcessFacts>& processes) {
  std::vector<pid_t> out;
  out.reserve(processes.size());
  for (const auto& process : processes) out.push_back(process.pid);
  return out;
}

std::vector<Listener> listeners_concerning(const ListenAddress& address) {
  auto listeners = tcp_listeners();
  if (!listeners) return {};
  std::erase_if(*listeners, [&](const Listener& listener) { return !concerns(listener, address); });
  return *listeners;
}

bool held_by(const TreeKey& own, const Listener& listener) {
  const auto members = tree_members(read_process_table(true), own);
  return !socket_holders(listener.inode, pids_of(members)).empty();
}

bool is_wildcard(const std::string& address) {
  return address == "::" || address == "0.0.0.0";
}

}  // namespace

std::string to_text(const Listener& listener) {
  const std::string host = listener.ipv6 ? "[" + listener.address + "]" : listener.address;
  return host + ":" + std::to_string(listener.port);
}

bool concerns(const Listener& listener, const ListenAddress& address) {
  if (listener.port != address.port) return false;
  const auto wanted = bind_candidates(address.host);
  if (wanted.empty()) return true;  // a name: whatever it stands for
  for (const auto& candidate : wanted) {
    if (candidate == listener.address) return true;
    // A wildcard collides with every address of its family; "::" takes IPv4, too, unless its socket
    // is told not to.
    const bool ipv6 = candidate.find(':') != std::string::npos;
    const bool both = listener.ipv6 && !listener.v6only;
    if (is_wildcard(candidate) && (ipv6 || !listener.ipv6 || (both && listener.address == "::"))) {
      return true;
    }
    if (is_wildcard(listener.address) && (ipv6 ? listener.ipv6 : !listener.ipv6 || both))
      return true;
  }
  return false;
}

std::string holder_text(const Listener& listener) {
  const auto holders = socket_holders(listener.inode, pids_of(read_process_table(false)));
  if (!holders.empty()) return to_text(portray(holders.front()));
  return "a process of uid " + std::to_string(listener.uid) + " that dixisd may not look into";
}

Result<void> check_port(const std::string& app, const ListenAddress& address,
                        const std::optional<TreeKey>& own) {
  const std::string port = "port " + std::to_string(address.port);
  for (const auto& listener : listeners_concerning(address)) {
    if (own && held_by(*own, listener)) return {};  // the old process; it frees the port
    return Error{"cannot start " + app + ": " + port + " is taken: " + holder_text(listener) +
                     " listens on " + to_text(listener),
                 "stop that process, or give " + app + " another port"};
  }
  for (const auto& candidate : bind_candidates(address.host)) {
    const int error = try_bind(candidate, address.port);
    // One family may be switched off; the app then uses the other.
    if (error == 0 || error == EAFNOSUPPORT) continue;
    if (error == EADDRNOTAVAIL && candidate == "::") continue;
    const std::string where = candidate + " " + port;
    if (error != EADDRINUSE) {
      return errno_error("cannot start " + app + ": bind " + where, error,
                         "correct the host or the port of the app");
    }
    return Error{
        "cannot start " + app + ": " + where + ": " + std::generic_category().message(error) +
            ", though nothing visible listens there",
        std::string("a socket that is bound without listening, or one of another network "
                    "namespace, holds it; ") +
            (is_wildcard(candidate) ? "a host of 127.0.0.1 instead of all addresses may help"
                                    : "give " + app + " another port")};
  }
  return {};
}

Result<void> check_port_released(const std::string& app, const ListenAddress& address) {
  for (const auto& listener : listeners_concerning(address)) {
    return Error{"the tree of " + app + " is gone, but " + to_text(listener) +
                     " is still listened on by " + holder_text(listener),
                 "it isn't a process of " + app + ": stop it by other means"};
  }
  return {};
}

}  // namespace dixis
