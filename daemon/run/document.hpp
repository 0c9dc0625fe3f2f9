#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "common/result.hpp"

/// What the documents of DOCUMENTS.md share: a JSON object with a version and a checksum, that is
/// replaced whole and put aside when it is damaged.
namespace dixis {

/// FNV-1a, 64 bits: two texts of one length that differ in one byte never have the same.
std::uint64_t fnv1a(std::string_view text);

/// The checksum of a document: fnv1a over all but "checksum", keys sorted, as 16 hex digits.
std::string document_checksum(const boost::json::object& document);

/// The text of a document with its checksum and a newline.
std::string document_text(boost::json::object document);

/// Parses and checks: an object, depth, a version of at least 1, the checksum.
Result<boost::json::object> parse_document(std::string_view text);

/// The bytes of a regular file of at most `limit` bytes; the error's message is a sentence's end:
/// "it is larger than 65536 bytes". A missing file is an empty text.
Result<std::string> read_document_file(const std::filesystem::path& file, std::size_t limit);

/// Called before each step of a write with its name; tests cut the power there by throwing.
using StepHook = std::function<void(std::string_view step)>;

/// Writes a file of mode 0600 and, if `durable`, has it on the disk when it returns.
Result<void> write_document_file(const std::filesystem::path& file, std::string_view text,
                                 bool durable, const StepHook& before_step = {});

/// Renames a damaged file to NAME.damaged-TIME and tells that for people.
std::string put_aside(const std::filesystem::path& file);

}  // namespace dixis
