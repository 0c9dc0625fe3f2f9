#include "common/utf8.hpp"

#include <algorithm>

namespace dixis {
namespace {

struct Form {
  std::size_t bytes;
  char32_t bits;
  char32_t minimum;
};

Form form_of(unsigned char lead) {
  if (lead < 0x80U) return {1, lead, 0};
  if ((lead & 0xE0U) == 0xC0U) return {2, lead & 0x1FU, 0x80};
  if ((lead & 0xF0U) == 0xE0U) return {3, lead & 0x0FU, 0x800};
  if ((lead & 0xF8U) == 0xF0U) return {4, lead & 0x07U, 0x10000};
  return {0, 0, 0};
}

}  // namespace

CodePoint first_code_point(std::string_view text) {
  const Form form = form_of(static_cast<unsigned char>(text.front()));
  if (form.bytes == 0 || form.bytes > text.size()) return {};
  char32_t value = form.bits;
  for (std::size_t i = 1; i < form.bytes; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0U) != 0x80U) return {};
    value = (value << 6U) | (byte & 0x3FU);
  }
  if (value < form.minimum || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
  return {value, form.bytes, true};
}

std::string valid_utf8(std::string text) {
  // Nearly every message is ASCII: it passes untouched.
  const auto other = std::find_if(text.begin(), text.end(),
                                  [](char c) { return static_cast<unsigned char>(c) >= 0x80U; });
  if (other == text.end()) return text;

  std::string out(text.begin(), other);
  std::string_view rest = std::string_view(text).substr(out.size());
  while (!rest.empty()) {
    const CodePoint point = first_code_point(rest);
    if (point.valid) {
      out += rest.substr(0, point.bytes);
    } else {
      out += "\xEF\xBF\xBD";
    }
    rest.remove_prefix(point.bytes);
  }
  return out;
}

}  // namespace dixis
