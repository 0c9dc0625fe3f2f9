#include "daemon/serve/logging.hpp"

#include <cstdlib>
#include <memory>
#include <mutex>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include <spdlog/pattern_formatter.h>
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

/// syslog(3)'s number of a level, as sd-daemon(3) wants it before a line.
class JournalLevel : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    constexpr std::string_view kLevels = "7764322";  // trace … critical, off
    out.push_back('<');
    out.push_back(kLevels.at(static_cast<std::size_t>(message.level)));
    out.push_back('>');
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JournalLevel>();
  }
};

/// Whether stderr goes to the journal: JOURNAL_STREAM names its device and inode (systemd.exec(5)).
bool stderr_is_journal() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat facts {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &facts) != 0) return false;
  return stream == std::to_string(facts.st_dev) + ":" + std::to_string(facts.st_ino);
}

}  // namespace

void log_to_stderr() {
  auto logger = std::make_shared<spdlog::logger>("dixisd", std::make_shared<StderrSink>());
  if (stderr_is_journal()) {
    // The journal has the time, and takes the level from the line's begin.
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<JournalLevel>('P').set_pattern("%P%v");
    logger->set_formatter(std::move(formatter));
  } else {
    logger->set_pattern("%H:%M:%S.%e %l: %v");
  }
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace dixis
