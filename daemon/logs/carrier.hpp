#pragma once

#include <filesystem>
#include <list>
#include <map>
#include <memory>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "daemon/logs/log_file.hpp"
#include "daemon/sys/fd.hpp"
#include "daemon/sys/worker.hpp"

namespace dixis {

/// The part of Capture that lives on the log worker: all its calls come from there.
class Carrier : public std::enable_shared_from_this<Carrier> {
 public:
  explicit Carrier(boost::asio::io_context& context) : context_(context) {}

  /// Carries from the read end (non-blocking) to the file until the last writer is gone.
  void follow(UniqueFd pipe, const std::filesystem::path& file);

  /// Carries now what the pipes of a file hold now.
  void flush(const std::filesystem::path& file);

  /// Carries now what all pipes hold, then lets go of them. What living apps write later stays in
  /// their pipes, for the next daemon.
  void finish();

 private:
  struct Stream {
    boost::asio::posix::stream_descriptor pipe;
    std::shared_ptr<LogFile> file;
  };

  Task<void> carry(std::shared_ptr<Stream> stream);
  static void flush(Stream& stream);
  void forget(const std::shared_ptr<Stream>& stream);

  boost::asio::io_context& context_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  std::map<std::filesystem::path, std::shared_ptr<LogFile>> files_{};
  std::list<std::shared_ptr<Stream>> streams_{};
};

}  // namespace dixis
