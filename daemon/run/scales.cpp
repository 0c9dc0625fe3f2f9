#include "daemon/run/scales.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

#include "daemon/run/document.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

namespace {

namespace bj = boost::json;

constexpr int kVersion = 1;
constexpr std::size_t kMostBytes = std::size_t{1} << 20U;

/// The number under `name`, if it can be one of instances.
std::optional<std::uint32_t> number(const bj::object& from, const char* name) {
  const auto* value = from.if_contains(name);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  const auto found = value->get_int64();
  if (found < 1 || found > 1000) return std::nullopt;
  return static_cast<std::uint32_t>(found);
}

/// Replaces the file whole, and has it on the disk. Worker only.
Result<void> replace_file(const std::filesystem::path& file, const std::string& text) {
  const auto fresh = file.string() + ".new";
  auto written = write_document_file(fresh, text, true);
  if (!written) return written;
  const UniqueFd directory(::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (std::rename(fresh.c_str(), file.c_str()) != 0 || ::fsync(directory.get()) != 0) {
    return errno_error("cannot write " + file.string(), errno);
  }
  return {};
}

}  // namespace

std::optional<std::string> Scales::load() {
  const auto text = read_document_file(file_, kMostBytes);
  if (text && text->empty()) return std::nullopt;
  const auto document = text ? parse_document(*text) : Result<bj::object>(text.error());
  const auto* apps = document ? document->if_contains("apps") : nullptr;
  if (apps == nullptr || !apps->is_object()) {
    return file_.string() + " is damaged: the configuration's numbers of instances hold; " +
           put_aside(file_);
  }
  for (const auto& entry : apps->get_object()) {
    if (!entry.value().is_object()) continue;
    const auto instances = number(entry.value().get_object(), "instances");
    const auto configured = number(entry.value().get_object(), "configured");
    if (instances && configured) apps_[std::string(entry.key())] = {*instances, *configured};
  }
  return std::nullopt;
}

void Scales::apply(Config& config) const {
  for (const auto& [name, scale] : apps_) {
    const auto app = config.apps.find(name);
    if (app == config.apps.end()) continue;
    app->second.configured_instances = app->second.instances;
    if (app->second.instances == scale.configured) app->second.instances = scale.instances;
  }
}

std::string Scales::text() const {
  bj::object apps;
  for (const auto& [name, scale] : apps_) {
    apps[name] = bj::object{{"instances", scale.instances}, {"configured", scale.configured}};
  }
  return document_text({{"version", kVersion}, {"apps", std::move(apps)}});
}

Task<Result<void>> Scales::set(std::string app, std::uint32_t instances, std::uint32_t configured) {
  if (instances == configured) {
    apps_.erase(app);
  } else {
    apps_[app] = {instances, configured};
  }
  auto work = [file = file_, content = text()] { return replace_file(file, content); };
  co_return co_await worker_.run(std::move(work));
}

}  // namespace dixis
