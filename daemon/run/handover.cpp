#include "daemon/run/handover.hpp"

#include <cerrno>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "common/json.hpp"
#include "daemon/run/document.hpp"

namespace dixis {

namespace {

namespace bj = boost::json;

constexpr int kVersion = 1;
constexpr std::size_t kMaxBytes = 16U << 20U;
constexpr const char* kKept = "kept";

bj::object to_document(const Handover& handover) {
  bj::object document = handover.unknown;
  document["version"] = kVersion;
  const bj::value fields = json::write(handover);
  for (const auto& field : fields.get_object()) document[field.key()] = field.value();
  document[kKept] = json::write(handover.kept);
  return document;
}

/// Each for itself: one that is damaged costs only itself.
void read_kept(const bj::value& kept, LoadedHandover& loaded) {
  if (!kept.is_array()) {
    loaded.reports.emplace_back(
        "the hand-over's list of kept descriptors is damaged: they are lost");
    return;
  }
  for (const auto& entry : kept.get_array()) {
    HandedDescriptor one;
    if (json::read(entry, one) && one.fd > STDERR_FILENO && !one.name.empty()) {
      loaded.handover.kept.push_back(std::move(one));
    } else {
      loaded.reports.emplace_back("a kept descriptor of the hand-over is damaged: it is lost");
    }
  }
}

}  // namespace

std::string handover_text(const Handover& handover) {
  return document_text(to_document(handover));
}

Result<LoadedHandover> parse_handover(std::string_view text) {
  auto document = parse_document(text);
  if (!document) return document.error();
  LoadedHandover loaded;
  auto kept = std::move((*document)[kKept]);
  document->erase(kKept);
  const auto read = json::read(bj::value(*document), loaded.handover);
  if (!read) return Error{read.error().message};
  read_kept(kept, loaded);
  const bj::object known = to_document(Handover());
  for (auto& field : *document) {
    if (!known.contains(field.key()) && field.key() != "checksum") {
      loaded.handover.unknown[field.key()] = std::move(field.value());
    }
  }
  return loaded;
}

Result<UniqueFd> write_handover(const Handover& handover) {
  const std::string text = handover_text(handover);
  UniqueFd fd(::memfd_create("dixis-handover", MFD_CLOEXEC));
  if (!fd) return errno_error("cannot make a memory file for the hand-over", errno);
  for (std::size_t done = 0; done < text.size();) {
    const auto count = ::write(fd.get(), text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error("cannot write the hand-over", errno);
    done += static_cast<std::size_t>(count);
  }
  return fd;
}

Result<LoadedHandover> read_handover(int fd) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size <= 0 ||
      static_cast<std::uint64_t>(facts.st_size) > kMaxBytes) {
    return Error{"there is no hand-over on descriptor " + std::to_string(fd)};
  }
  std::string text(static_cast<std::size_t>(facts.st_size), '\0');
  // From its beginning, wherever somebody else has read to.
  for (std::size_t done = 0; done < text.size();) {
    const auto count =
        ::pread(fd, text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return errno_error("cannot read the hand-over", count < 0 ? errno : EIO);
    done += static_cast<std::size_t>(count);
  }
  return parse_handover(text);
}

std::vector<int> descriptors_of(const Handover& handover) {
  std::vector<int> out;
  for (const int fd : {handover.image, handover.lock, handover.control, handover.client}) {
    if (fd >= 0) out.push_back(fd);
  }
  for (const auto& one : handover.kept) out.push_back(one.fd);
  return out;
}

}  // namespace dixis
