#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <signal.h>
#include <unistd.h>

#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {
namespace {

namespace fs = std::filesystem;

bool executable(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

/// The daemon that belongs to this client: beside it, in the sbin beside its bin, or in PATH.
std::optional<fs::path> find_daemon() {
  std::error_code error;
  const fs::path own = fs::read_symlink("/proc/self/exe", error);
  std::vector<fs::path> directories;
  if (!error) directories = {own.parent_path(), own.parent_path().parent_path() / "sbin"};
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    if (colon > 0) directories.emplace_back(rest.substr(0, colon));
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  for (const fs::path& directory : directories) {
    if (executable(directory / "dixisd")) return directory / "dixisd";
  }
  return std::nullopt;
}

Failure cannot_run(const fs::path& daemon, int number) {
  return {Trouble::refused,
          "cannot run " + daemon.string() + ": " + std::generic_category().message(number),
          "check that the package is installed whole"};
}

}  // namespace

Answer<ExitCode> check(const Context& context) {
  const Arguments& arguments = context.arguments;
  if (arguments.operands.size() > 1) return wrong_operands(context, "name one file at most");
  const auto daemon = find_daemon();
  if (!daemon) {
    return Failure{Trouble::refused, "cannot check: dixisd is not found beside dixisctl or in PATH",
                   "install the package whole, or add dixisd's directory to PATH"};
  }
  std::vector<std::string> words{"dixisd", "--check"};
  if (!arguments.operands.empty()) {
    words.emplace_back("--config");
    words.push_back(arguments.operands.front());
  }
  if (arguments.json) words.emplace_back("--json");
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  ::signal(SIGPIPE, SIG_DFL);  // ignored signals stay ignored over exec
  ::execv(daemon->c_str(), argv.data());
  return cannot_run(*daemon, errno);
}

}  // namespace dixis::ctl
