#include "ctl/render/log_lines.hpp"

#include <algorithm>
#include <array>

#include "common/json.hpp"
#include "common/utf8.hpp"
#include "ctl/moment.hpp"
#include "ctl/render/text.hpp"
#include "ctl/render/views.hpp"

namespace dixis::ctl {
namespace {

/// Of a line's pieces so many bytes are put together for JSON.
constexpr std::size_t kLongestJsonLine = std::size_t{4} << 20U;
constexpr std::string_view kResetColour = "\x1b[0m";

std::string coloured(const std::string& text, std::size_t number, bool colour) {
  constexpr std::array kCodes{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"};
  if (!colour) return text;
  return "\x1b[" + std::string(kCodes[number % kCodes.size()]) + "m" + text +
         std::string(kResetColour);
}

/// The length of the sequence that sets a colour at the front of `text`; 0: there is none.
std::size_t colour_sequence(std::string_view text) {
  if (!text.starts_with("\x1b[")) return 0;
  const std::size_t end = text.find_first_not_of("0123456789;:", 2);
  return end != std::string_view::npos && text[end] == 'm' ? end + 1 : 0;
}

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool same_writer(const LogLines& a, const LogLines& b) {
  return a.instance == b.instance && a.generation == b.generation && a.from_dixis == b.from_dixis;
}

}  // namespace

std::string terminal_line(std::string_view line, bool colour) {
  std::string out;
  bool in_colour = false;
  while (!line.empty()) {
    if (line.front() == '\t') {
      out += '\t';
      line.remove_prefix(1);
      continue;
    }
    if (const std::size_t length = colour_sequence(line); length > 0) {
      if (colour) out += line.substr(0, length);
      in_colour = colour;
      line.remove_prefix(length);
      continue;
    }
    const std::size_t end = std::min(line.find_first_of("\t\x1b", 1), line.size());
    out += printable(line.substr(0, end));
    line.remove_prefix(end);
  }
  if (in_colour) out += kResetColour;
  return out;
}

void LogText::know(std::vector<ShownLog> sources) {
  sources_ = std::move(sources);
  for (const auto& source : sources_) {
    colours_.try_emplace(source.app, colours_.size());
    width_ = std::max(width_, display_width(printable(source.app)));
  }
}

std::string LogText::add(const LogLines& lines, std::string_view bytes) {
  if (look_.json) return add_json(lines, bytes);
  std::string out;
  const bool plain = !look_.terminal && !look_.names && !look_.timestamps;
  bool begun = open_.has_value();
  if (begun && !goes_on(lines) && !(plain && open_->source == lines.source)) {
    out += '\n';
    begun = false;
  }
  while (!bytes.empty()) {
    const std::size_t line_end = bytes.find('\n');
    const std::string_view piece =
        bytes.substr(0, line_end == std::string_view::npos ? line_end : line_end + 1);
    if (!begun && !plain) out += prefix(lines);
    out += body(piece, lines);
    begun = line_end == std::string_view::npos;
    bytes.remove_prefix(piece.size());
  }
  open_ = begun ? std::optional(lines) : std::nullopt;
  return out;
}

std::string LogText::finish() {
  std::string out;
  for (const auto& [source, open] : open_json_) out += as_json(open.of, open.text);
  open_json_.clear();
  if (open_ && (look_.terminal || look_.names || look_.timestamps)) out += '\n';
  open_.reset();
  return out;
}

bool LogText::goes_on(const LogLines& lines) const {
  return open_->source == lines.source && same_writer(*open_, lines);
}

std::string LogText::prefix(const LogLines& lines) {
  std::string out;
  if (look_.timestamps) {
    out += lines.at_ms ? moment_words(*lines.at_ms) : padded("-", 23);
    out += ' ';
  }
  if (!look_.names || lines.source >= sources_.size()) return out;
  const ShownLog& source = sources_[lines.source];
  const auto instance = static_cast<std::uint32_t>(lines.instance.value_or(0));
  const std::string name = printable(slot_name(source.app, instance, instance > 0));
  width_ = std::max(width_, display_width(name));
  out += coloured(padded(name, width_), colours_[source.app], look_.colour);
  out += source.stream == "err" ? styled(" ! ", Style::bad, look_.colour) : " | ";
  return out;
}

std::string LogText::body(std::string_view piece, const LogLines& lines) const {
  if (!look_.terminal) return std::string(piece);
  const std::string text = terminal_line(without_line_end(piece), look_.colour);
  return styled(text, lines.from_dixis ? Style::busy : Style::plain, look_.colour) +
         (piece.ends_with('\n') ? "\n" : "");
}

std::string LogText::add_json(const LogLines& lines, std::string_view bytes) {
  std::string out;
  const auto begun = open_json_.find(lines.source);
  if (begun != open_json_.end() && !same_writer(begun->second.of, lines)) {
    out += close_json(lines.source);
  }
  while (!bytes.empty()) {
    const std::size_t line_end = bytes.find('\n');
    const bool ended = line_end != std::string_view::npos;
    const std::string_view piece = bytes.substr(0, ended ? line_end + 1 : line_end);
    auto& open = open_json_.try_emplace(lines.source, Open{lines, {}}).first->second;
    open.text += piece;
    if (ended || open.text.size() >= kLongestJsonLine) out += close_json(lines.source);
    bytes.remove_prefix(piece.size());
  }
  return out;
}

std::string LogText::close_json(std::uint64_t source) {
  const auto open = open_json_.find(source);
  std::string out = as_json(open->second.of, open->second.text);
  open_json_.erase(open);
  return out;
}

std::string LogText::as_json(const LogLines& lines, std::string_view line) const {
  boost::json::object out;
  const bool known = lines.source < sources_.size();
  out["app"] = known ? sources_[lines.source].app : "";
  out["stream"] = known ? sources_[lines.source].stream : "";
  out["instance"] = json::write(lines.instance);
  out["generation"] = json::write(lines.generation);
  out["at"] = lines.at_ms ? boost::json::value(utc_time(*lines.at_ms)) : nullptr;
  out["from_dixis"] = lines.from_dixis;
  out["line"] = valid_utf8(std::string(without_line_end(line)));
  return boost::json::serialize(out) + "\n";
}

}  // namespace dixis::ctl
