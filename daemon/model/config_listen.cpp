#include "daemon/model/config_listen.hpp"

#include <algorithm>
#include <array>
#include <thread>

#include "daemon/model/command_facts.hpp"
#include "daemon/model/instance_words.hpp"
#include "daemon/model/probe_words.hpp"

namespace dixis {
namespace {

using R = ConfigReader;
using V = ConfigValue;

/// systemd's own programs take no more from LISTEN_FDS either.
constexpr std::size_t kMostSockets = 16;
constexpr std::int64_t kMostInstances = 1000;

constexpr auto kReloadKeys = std::to_array<ConfigKey<ReloadPolicy>>({
    {"drain",
     [](R& r, const V& v, ReloadPolicy& p) {
       if (const auto drain = r.duration(v, Milliseconds{0})) p.drain = *drain;
     }},
    {"parallel",
     [](R& r, const V& v, ReloadPolicy& p) {
       if (const auto number = r.integer(v, {1, kMostInstances}))
         p.parallel = static_cast<std::uint32_t>(*number);
     }},
    {"warmup",
     [](R& r, const V& v, ReloadPolicy& p) {
       for (const auto& item : r.items(v)) {
         auto path = r.text(item, "a path such as /");
         if (!path) continue;
         if (const auto wrong = request_path_problem(*path)) {
           r.problem(item, wrong->message, wrong->hint);
         } else {
           p.warmup.push_back(std::move(*path));
         }
       }
     }},
});

bool share_a_port(const AppSpec& spec, const ListenAddress& first) {
  const auto second = listen_address_of_instance(spec, 1);
  return second && second->port == first.port;
}

}  // namespace

void read_listen(R& r, const V& v, AppDraft& app) {
  for (const auto& item : r.items(v)) {
    const auto text = r.text(item, "ADDRESS:PORT, [IPV6]:PORT, PORT or unix:/PATH");
    if (!text) continue;
    const auto address = parse_held_address(*text);
    auto& held = app.spec.held;
    if (!address) {
      r.problem(item, address.error().message, address.error().hint);
    } else if (std::find(held.begin(), held.end(), *address) != held.end()) {
      r.problem(item, "this socket is named twice", "leave one of them out");
    } else if (held.size() == kMostSockets) {
      r.problem(item, "at most 16 sockets can be held for an app", "split the app");
    } else {
      held.push_back(*address);
    }
  }
}

void read_port(R& r, const V& v, AppDraft& app) {
  app.port = v;
  const auto text = r.text(v, "a port from 1 to 65535, or none");
  if (!text) return;
  if (*text == "none") {
    app.spec.no_port = true;
    return;
  }
  const bool digits = text->find_first_not_of("0123456789") == std::string::npos;
  const auto address = parse_listen_address(*text);
  if (digits && address) {
    app.spec.listen = *address;
  } else {
    r.problem(v, "expected a port from 1 to 65535, or none; got '" + *text + "'",
              address ? "an address belongs to 'listen'" : "");
  }
}

void read_instances(R& r, const V& v, AppDraft& app) {
  app.instances = v;
  if (v.node.IsScalar() && v.node.Scalar() == "max") {
    app.spec.instances = std::max(1U, std::thread::hardware_concurrency());
    return;
  }
  if (v.node.IsScalar() && v.node.Scalar().find_first_not_of("-0123456789") != std::string::npos) {
    r.problem(v, "expected a number of processes, or max; got '" + v.node.Scalar() + "'");
    return;
  }
  if (const auto number = r.integer(v, {1, kMostInstances}))
    app.spec.instances = static_cast<std::uint32_t>(*number);
}

void read_reload(R& r, const V& v, AppDraft& app) {
  r.map<ReloadPolicy>(v, kReloadKeys, app.spec.reload);
}

void settle_port(R& r, AppDraft& app) {
  auto& spec = app.spec;
  const auto tcp = std::find_if(spec.held.begin(), spec.held.end(),
                                [](const HeldAddress& held) { return !held.is_unix(); });
  if (tcp != spec.held.end()) {
    if (app.port && (spec.no_port || (spec.listen && spec.listen->port != tcp->port))) {
      r.problem(app.port->key, app.port->path, "'port' and 'listen' contradict each other",
                "leave 'port' out");
      return;
    }
    spec.listen = ListenAddress{tcp->host, tcp->port};
  } else if (!spec.held.empty() && !app.port) {
    spec.no_port = true;
  }
  if (spec.command.empty()) return;
  const auto address = find_listen_address_of_instance(spec, 0);
  if (!address) {
    const auto& command = *app.command;
    r.problem(command.at, command.path, address.error().message, address.error().hint);
  } else if (*address && app.instances && spec.instances > 1 && spec.held.empty() &&
             share_a_port(spec, **address)) {
    const auto port = std::to_string((*address)->port);
    r.problem(*app.instances,
              "its instances would all bind port " + port + ", which only one of them can",
              "let dixisd hold the socket (listen: 127.0.0.1:" + port +
                  "), or give each a port: env: {PORT: " + port + "+{instance}}");
  }
}

void append_reload_key_paths(std::vector<std::string>& paths, const std::string& app) {
  append_key_paths<ReloadPolicy>(paths, app + ".reload", kReloadKeys);
}

}  // namespace dixis
