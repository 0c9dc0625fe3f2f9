#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "ctl/render/views.hpp"

namespace dixis::ctl {

/// The two outputs of this process and the terminal behind them. Standard output carries the answer
/// and nothing else; everything said beside it goes to standard error.
class Console {
 public:
  Console();

  /// The answer. Once a write has failed, further ones do nothing.
  void print(std::string_view text);
  /// One JSON document and a line end.
  void print_json(const boost::json::value& document);
  /// A line on standard error; a progress line that stands there makes room.
  void say(std::string_view line);

  /// Puts a text in the place of the last progress line; empty: takes it away. Terminals only.
  void progress(std::string_view text);

  /// 0, or the errno with which standard output failed. EPIPE: the reader has enough.
  int output_error() const { return output_error_; }

  bool progress_visible() const { return error_terminal_; }
  std::size_t error_width() const { return error_width_; }
  /// How to draw on standard output, and on standard error.
  Look look() const;
  Look error_look() const;

 private:
  bool output_terminal_;
  bool error_terminal_;
  bool colour_allowed_;
  std::size_t output_width_;
  std::size_t error_width_;
  int output_error_ = 0;
  bool line_stands_ = false;
};

}  // namespace dixis::ctl
