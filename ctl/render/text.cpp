#include "ctl/render/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "common/utf8.hpp"

namespace dixis::ctl {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};

// Enough of Unicode's tables for names and messages; wcwidth() would depend on the locale.
constexpr std::array<Range, 5> kNoColumns{
    {{0x0300, 0x036F}, {0x200B, 0x200D}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}}};
constexpr std::array<Range, 10> kTwoColumns{{{0x1100, 0x115F},
                                             {0x2E80, 0xA4CF},
                                             {0xAC00, 0xD7A3},
                                             {0xF900, 0xFAFF},
                                             {0xFE30, 0xFE6F},
                                             {0xFF00, 0xFF60},
                                             {0xFFE0, 0xFFE6},
                                             {0x1F300, 0x1F64F},
                                             {0x1F680, 0x1FAFF},
                                             {0x20000, 0x3FFFD}}};

template <std::size_t N>
bool within(char32_t value, const std::array<Range, N>& ranges) {
  for (const Range& range : ranges) {
    if (value >= range.first && value <= range.last) return true;
  }
  return false;
}

std::size_t columns_of(char32_t value) {
  if (within(value, kNoColumns)) return 0;
  return within(value, kTwoColumns) ? 2 : 1;
}

bool must_be_visible(char32_t value) {
  return value < 0x20 || (value >= 0x7F && value < 0xA0) ||  // controls
         value == 0x200E || value == 0x200F ||               // marks of direction
         (value >= 0x2028 && value <= 0x202E) ||             // line ends, embeddings, overrides
         (value >= 0x2066 && value <= 0x2069) || value == 0xFEFF;
}

/// How many bytes of printable text fit into `width` columns; one character at least.
std::size_t bytes_within(std::string_view text, std::size_t width) {
  std::size_t used = 0;
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    const CodePoint point = first_code_point(text.substr(bytes));
    used += columns_of(point.value);
    if (used > width && bytes > 0) break;
    bytes += point.bytes;
  }
  return bytes;
}

std::string escaped(unsigned value, const char* form) {
  std::array<char, 16> out{};
  const int size = std::snprintf(out.data(), out.size(), form, value);
  return {out.data(), static_cast<std::size_t>(size)};
}

std::string escape(char32_t value) {
  switch (value) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    default:
      return value < 0x100 ? escaped(value, "\\x%02x") : escaped(value, "\\u%04x");
  }
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    if (!point.valid) {
      out += escaped(static_cast<unsigned char>(text.front()), "\\x%02x");
    } else if (must_be_visible(point.value)) {
      out += escape(point.value);
    } else {
      out += text.substr(0, point.bytes);
    }
    text.remove_prefix(point.bytes);
  }
  return out;
}

std::string printable_lines(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t end = text.find('\n');
    out += printable(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
    if (!text.empty()) out += "\n    ";
  }
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    width += columns_of(point.value);
    text.remove_prefix(point.bytes);
  }
  return width;
}

std::string truncated(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return "";
  std::size_t used = 0;
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    const CodePoint point = first_code_point(text.substr(bytes));
    used += columns_of(point.value);
    if (used > width - 1) break;
    bytes += point.bytes;
  }
  std::string_view kept = text.substr(0, bytes);
  while (kept.ends_with(' ')) kept.remove_suffix(1);
  return std::string(kept) + "…";
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  constexpr std::size_t kNarrowest = 8;
  width = std::max(width, kNarrowest);
  const std::size_t blanks = std::min(text.find_first_not_of(' '), text.size());
  const std::string indent(std::min(blanks, width / 2), ' ');
  text.remove_prefix(blanks);
  std::vector<std::string> lines;
  do {
    const std::size_t room = width - indent.size();
    std::size_t end = bytes_within(text, room);
    std::size_t next = end;
    if (end < text.size()) {
      const std::size_t blank = text.rfind(' ', end);
      if (blank != std::string_view::npos && blank > 0) end = next = blank;
    }
    while (next < text.size() && text[next] == ' ') ++next;
    while (end > 0 && text[end - 1] == ' ') --end;
    lines.push_back(indent + std::string(text.substr(0, end)));
    text.remove_prefix(next);
  } while (!text.empty());
  return lines;
}

std::string without_tabs(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    if (letter == '\t') {
      out += "  ";
    } else {
      out += letter;
    }
  }
  return out;
}

std::string padded(std::string_view text, std::size_t width, bool right_aligned) {
  const std::size_t used = display_width(text);
  const std::string blanks(used < width ? width - used : 0, ' ');
  return right_aligned ? blanks + std::string(text) : std::string(text) + blanks;
}

std::string styled(std::string_view text, Style style, bool colour) {
  if (!colour || style == Style::plain || text.empty()) return std::string(text);
  const char* code = "0";
  switch (style) {
    case Style::good:
      code = "32";
      break;
    case Style::busy:
      code = "33";
      break;
    case Style::bad:
      code = "31";
      break;
    case Style::faint:
      code = "2";
      break;
    default:
      code = "1";
  }
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

}  // namespace dixis::ctl
