#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// Text on a terminal. Everything that comes from the daemon may hold an app's output: it is
/// escaped before it is printed.
namespace dixis::ctl {

/// Control characters, what turns the direction of writing, and what isn't UTF-8, made visible:
/// "\n", "\x1b", "\u202e". The result is one line.
std::string printable(std::string_view text);

/// The same for a text that may have lines: those after the first come indented.
std::string printable_lines(std::string_view text);

/// How many columns a terminal needs for printable text.
std::size_t display_width(std::string_view text);

/// At most `width` columns of printable text; where something is cut it ends with "…".
std::string truncated(std::string_view text, std::size_t width);

/// Printable text in lines of at most `width` columns, broken at blanks where there are some. The
/// blanks that it begins with stay, and indent the lines after the first, too.
std::vector<std::string> wrapped(std::string_view text, std::size_t width);

/// With two blanks for each tab.
std::string without_tabs(std::string_view text);

/// Filled with blanks to `width` columns, on the right or on the left.
std::string padded(std::string_view text, std::size_t width, bool right_aligned = false);

enum class Style { plain, good, busy, bad, faint, strong };

/// The text in its style, or as it is where colour is off.
std::string styled(std::string_view text, Style style, bool colour);

}  // namespace dixis::ctl
