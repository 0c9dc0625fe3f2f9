#include "daemon/serve/logging.hpp"

#include <mutex>
#include <poll.h>
#include <string>
#include <unistd.h>

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

namespace dixis {

namespace {

// What a pipe that is ready takes without blocking (PIPE_BUF).
constexpr std::size_t kLongestLine = 4096;

class StderrSink : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t formatted;
    formatter_->format(message, formatted);
    if (!ready()) {
      ++dropped_;
      return;
    }
    if (dropped_ > 0) {
      write("(" + std::to_string(dropped_) + " lines of this log were dropped: nobody read it)\n");
      dropped_ = 0;
      if (!ready()) {
        ++dropped_;
        return;
      }
    }
    std::string line(formatted.data(), formatted.size());
    if (line.size() > kLongestLine) line.replace(kLongestLine - 4, std::string::npos, "...\n");
    write(line);
  }
  void flush_() override {}

 private:
  static bool ready() {
    ::pollfd state{STDERR_FILENO, POLLOUT, 0};
    return ::poll(&state, 1, 0) == 1 && (state.revents & POLLOUT) != 0;
  }
  static void write(const std::string& line) {
    // Nowhere is left to report a failure to.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  }

  std::size_t dropped_ = 0;
};

}  // namespace

void log_to_stderr() {
  auto logger = std::make_shared<spdlog::logger>("dixisd", std::make_shared<StderrSink>());
  logger->set_pattern("%H:%M:%S.%e %l: %v");
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace dixis
