#include "daemon/serve/options.hpp"

#include <array>
#include <charconv>
#include <fcntl.h>
#include <getopt.h>
#include <string_view>

namespace dixis {

namespace {

enum Choice {
  config = 256,
  runtime_dir,
  state_dir,
  log_dir,
  check,
  json,
  version,
  help,
  ready_fd,
  probe_handover
};

constexpr std::array<::option, 11> kOptions{
    {{"config", required_argument, nullptr, config},
     {"runtime-dir", required_argument, nullptr, runtime_dir},
     {"state-dir", required_argument, nullptr, state_dir},
     {"log-dir", required_argument, nullptr, log_dir},
     {"check", no_argument, nullptr, check},
     {"json", no_argument, nullptr, json},
     {"version", no_argument, nullptr, version},
     {"help", no_argument, nullptr, help},
     {"ready-fd", required_argument, nullptr, ready_fd},
     {"probe-handover", no_argument, nullptr, probe_handover},
     {nullptr, 0, nullptr, 0}}};

Result<int> descriptor(std::string_view text) {
  int fd = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fd);
  if (error != std::errc() || end != text.data() + text.size() || fd < 0) {
    return Error{"--ready-fd: '" + std::string(text) + "' is not a descriptor's number"};
  }
  if (::fcntl(fd, F_GETFD) < 0) {
    return Error{"--ready-fd: descriptor " + std::to_string(fd) + " is not open"};
  }
  return fd;
}

}  // namespace

Result<Options> parse_options(int argc, char** argv) {
  Options options;
  options.paths = default_paths(path_facts());
  opterr = 0;
  int chosen = 0;
  while ((chosen = ::getopt_long(argc, argv, ":", kOptions.data(), nullptr)) != -1) {
    const std::string_view argument = optarg == nullptr ? "" : optarg;
    switch (chosen) {
      case config:
        options.paths.config = argument;
        break;
      case runtime_dir:
        options.paths.runtime_dir = argument;
        break;
      case state_dir:
        options.paths.state_dir = argument;
        break;
      case log_dir:
        options.paths.log_dir = argument;
        break;
      case check:
        options.check = true;
        break;
      case probe_handover:
        options.probe_handover = true;
        break;
      case json:
        options.json = true;
        break;
      case version:
        options.version = true;
        break;
      case help:
        options.help = true;
        break;
      case ready_fd: {
        const auto fd = descriptor(argument);
        if (!fd) return fd.error();
        options.ready_fd = *fd;
        break;
      }
      case ':':
        return Error{std::string(argv[optind - 1]) + " needs a value"};
      default:
        return Error{"unknown option " + std::string(argv[optind - 1])};
    }
  }
  if (optind < argc) return Error{"unexpected argument '" + std::string(argv[optind]) + "'"};
  if (options.json && !options.check) return Error{"--json goes with --check"};
  // The daemon's directory is / later on.
  for (auto* path : {&options.paths.config, &options.paths.runtime_dir, &options.paths.state_dir,
                     &options.paths.log_dir}) {
    if (path->empty()) return Error{"an empty path is no path"};
    *path = std::filesystem::absolute(*path).lexically_normal();
  }
  return options;
}

std::string usage() {
  const DefaultPaths paths = default_paths(path_facts());
  return "Usage: dixisd [OPTION...]\n"
         "Supervises the apps of a configuration. dixisctl talks to it.\n\n"
         "  --config FILE       configuration (" +
         paths.config.string() +
         ")\n"
         "  --runtime-dir DIR   control.sock and what doesn't outlive a boot (" +
         paths.runtime_dir.string() +
         ")\n"
         "  --state-dir DIR     what outlives one (" +
         paths.state_dir.string() +
         ")\n"
         "  --log-dir DIR       logs of apps (" +
         paths.log_dir.string() +
         ")\n"
         "  --check [--json]    check the configuration and exit: 0 or 7\n"
         "  --probe-handover    tell whether it could take over from a running one (see upgrade "
         "in\n"
         "                      dixisctl(1)): reads the hand-over on stdin; exit 0, 1 or 7\n"
         "  --ready-fd N        write READY=1 to this descriptor once the daemon serves\n"
         "  --version, --help\n\n"
         "SIGTERM and SIGINT stop all apps and end it; SIGHUP loads the configuration.\n"
         "Exit: 0 ended as asked, 1 failed, 2 usage, 7 configuration invalid.\n";
}

}  // namespace dixis
