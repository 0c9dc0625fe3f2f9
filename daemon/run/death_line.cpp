#include "daemon/run/death_line.hpp"

#include <array>
#include <string_view>
#include <utility>

#include "common/json.hpp"
#include "common/utf8.hpp"
#include "daemon/run/document.hpp"

namespace dixis {
namespace {

namespace bj = boost::json;

constexpr int kVersion = 1;
constexpr std::size_t kLastLines = 20;
constexpr std::size_t kLastLineBytes = 1000;
/// Names of fields, numbers, times and the checksum: 1000 bytes at most, and some more.
constexpr std::size_t kFrameBytes = 1200;

/// At most `limit` bytes, cut between characters.
void cut(std::string& text, std::size_t limit) {
  if (text.size() <= limit) return;
  while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0U) == 0x80U) --limit;
  text.resize(limit);
  text += "…";
}

/// What the text needs in JSON, quotes and comma included; never less.
std::size_t json_size(std::string_view text) {
  std::size_t size = text.size() + 3;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) size += 5;
    if (c == '"' || c == '\\') ++size;
  }
  return size;
}

/// All texts of a record but its last lines; those that may be cut.
template <class Visit>
void each_text(DeathRecord& record, Visit visit) {
  Death& death = record.death;
  for (std::string* text : {&death.detail, &death.message, &record.reaction}) visit(*text);
  for (auto* text : {&record.build, &record.probe_answer, &death.signal}) {
    if (*text) visit(**text);
  }
  if (!death.sender) return;
  for (auto* text : {&death.sender->comm, &death.sender->exe}) {
    if (*text) visit(**text);
  }
  for (Ancestor& one : death.sender->parents) visit(one.comm);
}

std::size_t size_of(DeathRecord& record) {
  std::size_t size = kFrameBytes + json_size(record.app) + json_size(record.death.at);
  each_text(record, [&](const std::string& text) { size += json_size(text); });
  for (const std::string& line : record.last_lines) size += json_size(line);
  return size;
}

}  // namespace

DeathRecord bounded_death(DeathRecord record) {
  auto& lines = record.last_lines;
  if (lines.size() > kLastLines) lines.erase(lines.begin(), lines.end() - kLastLines);
  for (std::string& line : lines) {
    line = valid_utf8(std::move(line));
    cut(line, kLastLineBytes);
  }
  record.app = valid_utf8(std::move(record.app));
  record.death.at = valid_utf8(std::move(record.death.at));
  each_text(record, [](std::string& text) { text = valid_utf8(std::move(text)); });

  // A record without its last lines still says what happened; the other texts are short unless
  // somebody made them long.
  while (size_of(record) > kDeathBytes && !lines.empty()) lines.erase(lines.begin());
  for (const std::size_t limit : {1000U, 300U, 100U}) {
    if (size_of(record) <= kDeathBytes) break;
    each_text(record, [&](std::string& text) { cut(text, limit); });
  }
  return record;
}

std::string DeathLine::text() const {
  bj::object document;
  if (record) {
    const bj::value fields = json::write(*record);
    document = fields.get_object();
  } else {
    document["app"] = app;
    document[kForgottenField] = true;
  }
  document["version"] = kVersion;
  return document_text(std::move(document));
}

}  // namespace dixis
