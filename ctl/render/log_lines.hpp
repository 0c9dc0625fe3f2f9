#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/logs/view.hpp"

namespace dixis::ctl {

/// How lines of logs are printed.
struct LogLook {
  bool json = false;        ///< one object a line
  bool terminal = false;    ///< what a terminal would obey is made visible, colours excepted
  bool names = false;       ///< the app's name before each line
  bool timestamps = false;  ///< the time before each line
  bool colour = false;
};

/// Makes text of lines as they come. Pure: text in, text out. A line may come in pieces; on a pipe,
/// bytes are what they were.
class LogText {
 public:
  explicit LogText(LogLook look) : look_(look) {}

  void know(std::vector<ShownLog> sources);

  /// The text of some lines; their `bytes` have been decoded.
  std::string add(const LogLines& lines, std::string_view bytes);
  /// What is still owed at the end.
  std::string finish();

 private:
  /// A line that hasn't ended.
  struct Open {
    LogLines of{};
    std::string text{};  ///< JSON: what has come of it
  };
  bool goes_on(const LogLines& lines) const;
  std::string prefix(const LogLines& lines);
  std::string body(std::string_view piece, const LogLines& lines) const;
  std::string as_json(const LogLines& lines, std::string_view line) const;
  std::string add_json(const LogLines& lines, std::string_view bytes);
  std::string close_json(std::uint64_t source);

  LogLook look_;
  std::vector<ShownLog> sources_{};
  std::map<std::string, std::size_t> colours_{};  ///< by app
  std::size_t width_ = 0;
  std::optional<LogLines> open_{};             ///< what was printed last lacks its line end
  std::map<std::uint64_t, Open> open_json_{};  ///< by source
};

/// A line for a terminal: control characters are shown, not obeyed, but for tabs and, with
/// `colour`, the app's own colours.
std::string terminal_line(std::string_view line, bool colour);

}  // namespace dixis::ctl
