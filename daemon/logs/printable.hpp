#pragma once

#include <string>
#include <string_view>

namespace dixis {

/// `bytes` as text that can be shown on a terminal and put into JSON: escape sequences are left
/// out; other control characters than tab and newline, and what isn't UTF-8, become U+FFFD.
std::string printable(std::string_view bytes);

/// The last `lines` lines, without the newline at the end.
std::string last_lines_of(std::string_view text, int lines);

}  // namespace dixis
