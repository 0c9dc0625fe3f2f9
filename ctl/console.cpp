#include "ctl/console.hpp"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <sys/ioctl.h>
#include <unistd.h>

namespace dixis::ctl {
namespace {

constexpr std::size_t kDefaultWidth = 80;

std::size_t width_of(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  if (columns != nullptr) {
    std::size_t width = 0;
    const char* end = columns + std::strlen(columns);
    const auto [stop, error] = std::from_chars(columns, end, width);
    if (error == std::errc() && stop == end && width > 0 && width < 10'000) return width;
  }
  return kDefaultWidth;
}

bool colour_wanted() {
  const char* no_color = std::getenv("NO_COLOR");  // no-color.org: set and not empty
  const char* term = std::getenv("TERM");
  return (no_color == nullptr || *no_color == '\0') &&
         (term == nullptr || std::string_view(term) != "dumb");
}

int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace

Console::Console()
    : output_terminal_(::isatty(STDOUT_FILENO) == 1),
      error_terminal_(::isatty(STDERR_FILENO) == 1),
      colour_allowed_(colour_wanted()),
      output_width_(width_of(STDOUT_FILENO)),
      error_width_(width_of(STDERR_FILENO)) {}

void Console::print(std::string_view text) {
  progress({});
  if (output_error_ == 0) output_error_ = write_all(STDOUT_FILENO, text);
}

void Console::print_json(const boost::json::value& document) {
  print(boost::json::serialize(document) + "\n");
}

void Console::say(std::string_view line) {
  progress({});
  (void)write_all(STDERR_FILENO, std::string(line) + "\n");
}

void Console::progress(std::string_view text) {
  if (!error_terminal_ || (text.empty() && !line_stands_)) return;
  (void)write_all(STDERR_FILENO, "\r\x1b[K" + std::string(text));
  line_stands_ = !text.empty();
}

Look Console::look() const {
  return {output_width_, output_terminal_ && colour_allowed_, std::chrono::system_clock::now()};
}

Look Console::error_look() const {
  return {error_width_, error_terminal_ && colour_allowed_, std::chrono::system_clock::now()};
}

}  // namespace dixis::ctl
