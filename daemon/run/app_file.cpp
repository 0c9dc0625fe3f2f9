#include "daemon/run/app_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "common/json.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

namespace {

/// A scalar for YAML: JSON's strings are YAML's double-quoted ones.
std::string quoted(const std::string& text) {
  return boost::json::serialize(boost::json::value(text));
}

std::string to_yaml(const std::string& name, const NewApp& app) {
  std::string out = "# Written by `dixisctl add`; `dixisctl remove " + name + "` undoes it.\n";
  out += "apps:\n  " + quoted(name) + ":\n    command: [";
  for (std::size_t i = 0; i < app.command.size(); ++i) {
    out += (i == 0 ? "" : ", ") + quoted(app.command[i]);
  }
  out += "]\n";
  if (app.cwd) out += "    cwd: " + quoted(*app.cwd) + "\n";
  if (app.user) out += "    user: " + quoted(*app.user) + "\n";
  if (app.port) out += "    port: " + std::to_string(*app.port) + "\n";
  if (app.env && !app.env->empty()) {
    out += "    env:\n";
    for (const auto& [key, value] : *app.env) {
      out += "      " + quoted(key) + ": " + quoted(value) + "\n";
    }
  }
  return out;
}

bool write_all(int fd, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const auto count = ::write(fd, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

std::filesystem::path app_file_of(const std::filesystem::path& config_file,
                                  const std::string& name) {
  return config_file.parent_path() / "apps.d" / (name + ".yaml");
}

Result<std::filesystem::path> write_app_file(const std::filesystem::path& config_file,
                                             const std::string& name, const NewApp& app) {
  const bool plain = !name.empty() && name.find('/') == std::string::npos && name[0] != '.';
  if (!plain) return Error{"'" + name + "' can't be the name of an app", "use letters and digits"};
  const auto file = app_file_of(config_file, name);
  std::error_code ignored;
  std::filesystem::create_directory(file.parent_path(), ignored);
  const auto draft = file.string() + ".new";
  // It may hold secrets of the environment: nobody else reads it.
  UniqueFd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
  const bool written = fd && write_all(fd.get(), to_yaml(name, app)) && ::fsync(fd.get()) == 0;
  // link(2) doesn't replace what is there.
  const bool placed = written && ::link(draft.c_str(), file.c_str()) == 0;
  const int error = errno;
  ::unlink(draft.c_str());
  if (!placed) {
    return errno_error("cannot write " + file.string(), error,
                       error == EEXIST ? "that file is there already: `dixisctl load` reads it"
                                       : "make its directory writable for dixisd");
  }
  return file;
}

Result<void> remove_app_file(const std::filesystem::path& file) {
  if (::unlink(file.c_str()) == 0) return {};
  return errno_error("cannot remove " + file.string(), errno, "remove it, then `dixisctl load`");
}

Result<std::filesystem::path> put_app_file_aside(const std::filesystem::path& config_file,
                                                 const std::filesystem::path& file,
                                                 const std::string& name) {
  std::error_code ignored;
  if (!std::filesystem::equivalent(file, app_file_of(config_file, name), ignored)) {
    return Error{name + " is defined in " + file.string() + ", which `add` didn't write",
                 "remove it there, then `dixisctl load`"};
  }
  // No include pattern finds a name that begins with a dot.
  const auto aside = file.parent_path() / ("." + file.filename().string() + ".removed");
  if (::rename(file.c_str(), aside.c_str()) == 0) return aside;
  return errno_error("cannot remove " + file.string(), errno, "remove it, then `dixisctl load`");
}

Result<void> put_app_file_back(const std::filesystem::path& aside,
                               const std::filesystem::path& file) {
  if (::rename(aside.c_str(), file.c_str()) == 0) return {};
  return errno_error("cannot put back " + file.string(), errno,
                     "it is " + aside.string() + " now: move it yourself");
}

}  // namespace dixis
