#include "daemon/run/document.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "common/json.hpp"
#include "daemon/sys/clock.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {
namespace {

namespace bj = boost::json;

constexpr const char* kChecksum = "checksum";

/// Keys sorted, no blanks (`jq -cS`): the same for the same content, whatever wrote it. The parser
/// has limited the depth.
void append_canonical(const bj::value& value, std::string& out) {  // NOLINT(misc-no-recursion)
  if (const auto* object = value.if_object()) {
    std::vector<const bj::key_value_pair*> fields;
    fields.reserve(object->size());
    for (const auto& field : *object) fields.push_back(&field);
    std::sort(fields.begin(), fields.end(),
              [](const auto* a, const auto* b) { return a->key() < b->key(); });
    out += '{';
    for (const auto* field : fields) {
      if (field != fields.front()) out += ',';
      out += bj::serialize(field->key());
      out += ':';
      append_canonical(field->value(), out);
    }
    out += '}';
  } else if (const auto* array = value.if_array()) {
    out += '[';
    for (const auto& item : *array) {
      if (&item != &array->front()) out += ',';
      append_canonical(item, out);
    }
    out += ']';
  } else {
    out += bj::serialize(value);
  }
}

}  // namespace

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char character : text) {
    hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001b3U;
  }
  return hash;
}

std::string document_checksum(const bj::object& document) {
  bj::object rest = document;
  rest.erase(kChecksum);
  std::string text;
  append_canonical(rest, text);
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx",
                static_cast<unsigned long long>(fnv1a(text)));
  return digits.data();
}

std::string document_text(bj::object document) {
  document[kChecksum] = document_checksum(document);
  return bj::serialize(document) + "\n";
}

Result<bj::object> parse_document(std::string_view text) {
  boost::system::error_code error;
  bj::value value = bj::parse(bj::string_view(text.data(), text.size()), error);
  if (error) return Error{"it is not JSON: " + error.message()};
  if (!value.is_object()) return Error{"it is not a JSON object"};
  bj::object& document = value.get_object();
  const auto* version = document.if_contains("version");
  if (version == nullptr || !version->is_int64() || version->get_int64() < 1) {
    return Error{"it has no version"};
  }
  const auto* checksum = document.if_contains(kChecksum);
  if (checksum == nullptr || !checksum->is_string() ||
      std::string_view(checksum->get_string()) != document_checksum(document)) {
    return Error{"its checksum doesn't match"};
  }
  return std::move(document);
}

Result<std::string> read_document_file(const std::filesystem::path& file, std::size_t limit) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (!fd && errno == ENOENT) return {boost::system::in_place_value};
  if (!fd) return errno_error("it can't be opened", errno);
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return errno_error("it can't be read", errno);
  if (!S_ISREG(facts.st_mode)) return Error{"it is not a regular file"};
  if (facts.st_size == 0) return Error{"it is empty"};
  if (static_cast<std::uint64_t>(facts.st_size) > limit) {
    return Error{"it is larger than " + std::to_string(limit) + " bytes"};
  }
  std::string text(static_cast<std::size_t>(facts.st_size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::read(fd.get(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error("it can't be read", errno);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  text.resize(done);
  return {boost::system::in_place_value, std::move(text)};
}

Result<void> write_document_file(const std::filesystem::path& file, std::string_view text,
                                 bool durable, const StepHook& before_step) {
  const auto step = [&](std::string_view name) {
    if (before_step) before_step(name);
  };
  const std::string what = "cannot write " + file.string();
  step("create");
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                           S_IRUSR | S_IWUSR));
  if (!fd) return errno_error(what, errno);
  step("write");
  while (!text.empty()) {
    const ssize_t count = ::write(fd.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(what, errno);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  step("fsync");
  if (durable && ::fsync(fd.get()) != 0) return errno_error(what, errno);
  return {};
}

std::string put_aside(const std::filesystem::path& file) {
  std::string time = wall_clock_now();
  time.erase(std::remove_if(time.begin(), time.end(), [](char c) { return c == ':' || c == '-'; }),
             time.end());
  const std::string aside = file.string() + ".damaged-" + time;
  if (::rename(file.c_str(), aside.c_str()) == 0) return "put aside as " + aside;
  return errno_error("could not be put aside", errno).message;
}

}  // namespace dixis
