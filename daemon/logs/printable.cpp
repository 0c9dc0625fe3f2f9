#include "daemon/logs/printable.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace dixis {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

unsigned char byte_at(std::string_view bytes, std::size_t at) {
  return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
}

/// Length of the escape sequence at `at` (which holds ESC), the final byte included.
std::size_t escape_length(std::string_view bytes, std::size_t at) {
  if (byte_at(bytes, at + 1) != '[') return 1;
  std::size_t end = at + 2;
  while (byte_at(bytes, end) >= 0x20 && byte_at(bytes, end) <= 0x3F) ++end;
  const unsigned char last = byte_at(bytes, end);
  return last >= 0x40 && last <= 0x7E ? end + 1 - at : 1;
}

/// Length of the UTF-8 character at `at`; 0 if there is none (overlong, surrogate, cut) or if it is
/// a control character other than tab and newline, the C1 ones included.
std::size_t character_length(std::string_view bytes, std::size_t at) {
  const unsigned char first = byte_at(bytes, at);
  std::size_t length = 0;
  std::uint32_t code = 0;
  std::uint32_t least = 0;
  if (first == '\t' || first == '\n' || (first >= 0x20 && first < 0x7F)) return 1;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2, code = first & 0x1FU, least = 0xA0;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3, code = first & 0x0FU, least = 0x800;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4, code = first & 0x07U, least = 0x10000;
  } else {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    const unsigned char next = byte_at(bytes, at + i);
    if ((next & 0xC0U) != 0x80U) return 0;
    code = (code << 6U) | (next & 0x3FU);
  }
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return code < least || code > 0x10FFFF || surrogate ? 0 : length;
}

}  // namespace

std::string printable(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const unsigned char byte = byte_at(bytes, at);
    const std::size_t escape = byte == 0x1B ? escape_length(bytes, at) : 0;
    const std::size_t character = character_length(bytes, at);
    const bool left_out = escape > 1 || (byte == '\r' && byte_at(bytes, at + 1) == '\n');
    if (!left_out) text += character > 0 ? bytes.substr(at, character) : kReplacement;
    at += std::max({std::size_t{1}, escape, character});
  }
  return text;
}

std::string last_lines_of(std::string_view text, int lines) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  std::size_t from = text.size();
  for (int i = 0; i < lines && from != std::string_view::npos; ++i) {
    from = from == 0 ? std::string_view::npos : text.rfind('\n', from - 1);
  }
  if (lines <= 0) return {};
  return std::string(from == std::string_view::npos ? text : text.substr(from + 1));
}

}  // namespace dixis
