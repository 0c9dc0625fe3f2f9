#include "daemon/model/instance_words.hpp"

#include <charconv>

namespace dixis {
namespace {

constexpr std::string_view kPlace = "{instance}";

/// Where the number of "NUMBER+" at the end of `text` begins; its length where there is none.
std::size_t addend_begin(const std::string& text) {
  if (!text.ends_with('+')) return text.size();
  std::size_t at = text.size() - 1;
  while (at > 0 && text[at - 1] >= '0' && text[at - 1] <= '9') --at;
  return at == text.size() - 1 ? text.size() : at;
}

}  // namespace

std::string for_instance(const std::string& text, std::uint32_t instance) {
  std::string out;
  std::size_t from = 0;
  for (auto at = text.find(kPlace); at != std::string::npos; at = text.find(kPlace, from)) {
    out += text.substr(from, at - from);
    from = at + kPlace.size();
    std::uint64_t value = 0;
    const auto begin = addend_begin(out);
    const auto [end, error] = std::from_chars(out.data() + begin, out.data() + out.size(), value);
    if (begin < out.size() && error == std::errc()) {
      out.resize(begin);
      out += std::to_string(value + instance);
    } else {
      out += std::to_string(instance);
    }
  }
  return out + text.substr(from);
}

}  // namespace dixis
