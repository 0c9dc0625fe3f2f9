#include "daemon/serve/logging.hpp"

#include <memory>
#include <mutex>
#include <poll.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include "daemon/serve/event_fields.hpp"
#include "daemon/sys/systemd/journal.hpp"

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

/// The number of a level as systemd has it: syslog(3)'s.
char priority(spdlog::level::level_enum level) {
  constexpr std::string_view kLevels = "7764322";  // trace … critical, off
  return kLevels.at(static_cast<std::size_t>(level));
}

/// What the journal's socket has no room for goes to stderr, which the journal reads as well.
class JournalSink : public StderrSink {
 public:
  explicit JournalSink(Journal journal) : journal_(std::move(journal)) {}

  void log(const Event& event, const EventLine& line) {
    const std::lock_guard<std::mutex> lock(mutex_);
    write(spdlog::details::log_msg("dixisd", line.level, line.text), journal_fields(event));
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override { write(message, {}); }

 private:
  void write(const spdlog::details::log_msg& message, std::vector<JournalField> entry) {
    entry.push_back({"SYSLOG_IDENTIFIER", "dixisd"});
    entry.push_back({"PRIORITY", std::string(1, priority(message.level))});
    entry.push_back({"MESSAGE", std::string(message.payload.data(), message.payload.size())});
    if (!journal_.send(entry)) StderrSink::sink_it_(message);
  }

  Journal journal_;
};

/// syslog(3)'s number of a level, as sd-daemon(3) wants it before a line.
class LevelPrefix : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    out.push_back('<');
    out.push_back(priority(message.level));
    out.push_back('>');
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelPrefix>();
  }
};

std::shared_ptr<spdlog::logger> logger_to(spdlog::sink_ptr sink) {
  return std::make_shared<spdlog::logger>("dixisd", std::move(sink));
}

}  // namespace

EventLog start_logging() {
  auto journal = Journal::of_stderr();
  if (!journal) {
    auto logger = logger_to(std::make_shared<StderrSink>());
    logger->set_pattern("%H:%M:%S.%e %l: %v");
    spdlog::set_default_logger(std::move(logger));
    return log_text;
  }
  auto sink = std::make_shared<JournalSink>(std::move(*journal));
  auto logger = logger_to(sink);
  // The journal has the time, and takes the level from the line's begin.
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<LevelPrefix>('P').set_pattern("%P%v");
  logger->set_formatter(std::move(formatter));
  spdlog::set_default_logger(std::move(logger));
  return [sink](const Event& event, const EventLine& line) { sink->log(event, line); };
}

}  // namespace dixis
