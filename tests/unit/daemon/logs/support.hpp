#pragma once

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/mount.h>
#include <unistd.h>
#include <utility>

#include <boost/asio.hpp>

#include "daemon/sys/fd.hpp"
#include "daemon/sys/worker.hpp"
#include "tests/unit/temporary_directory.hpp"

namespace dixis::test {

/// A file system of `bytes` that is in no directory any more: it goes with the process, whatever
/// happens to the test. Only root can mount one.
class SmallDisk {
 public:
  static std::optional<SmallDisk> make(std::size_t bytes) {
    if (::geteuid() != 0) {
      std::cerr << "skipped: only root can mount a small tmpfs\n";
      return std::nullopt;
    }
    const TemporaryDirectory place;
    const std::string size = "size=" + std::to_string(bytes);
    if (::mount("none", place.path().c_str(), "tmpfs", 0, size.c_str()) != 0) {
      throw std::runtime_error("mount of a small tmpfs failed");
    }
    UniqueFd fd(::open(place.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ::umount2(place.path().c_str(), MNT_DETACH);
    return SmallDisk(std::move(fd));
  }

  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

 private:
  explicit SmallDisk(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

inline std::string read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

inline void write_file(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}

/// Runs one task on a loop, to its end.
template <class T>
T run_task(boost::asio::io_context& loop, Task<T> task) {
  std::optional<T> value;
  loop.restart();
  boost::asio::co_spawn(loop, std::move(task), [&](std::exception_ptr failure, T result) {
    if (failure) std::rethrow_exception(failure);
    value.emplace(std::move(result));
  });
  loop.run();
  return std::move(*value);
}

}  // namespace dixis::test
