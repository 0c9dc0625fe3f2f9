#include "daemon/model/config_files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <glob.h>
#include <memory>
#include <sstream>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>

namespace dixis {
namespace {

constexpr std::size_t kLargestFile = std::size_t{1} << 20U;

/// Closes when it goes out of scope.
class OpenFile {
 public:
  explicit OpenFile(const std::filesystem::path& file)
      // O_NONBLOCK: a fifo must not hang us.
      : fd_(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string error_text(int error_number) {
  return std::generic_category().message(error_number);
}

/// What lets others than root and this user write; empty where nothing does.
std::string writable_by_others(const struct stat& status) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid())
    return "it belongs to uid " + std::to_string(status.st_uid);
  if ((status.st_mode & S_IWOTH) != 0) return "everybody may write to it";
  if ((status.st_mode & S_IWGRP) != 0)
    return "the group with gid " + std::to_string(status.st_gid) + " may write to it";
  return {};
}

std::string ownership_hint(const struct stat& status, const std::filesystem::path& path) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid())
    return "chown " + std::to_string(::geteuid()) + " " + path.string();
  return "chmod go-w " + path.string();
}

/// More than the parser says about the two slips that people make most.
std::string syntax_hint(const std::string& text, const YAML::Mark& mark,
                        const std::string& message) {
  std::size_t begin = 0;
  for (int line = 0; line <= mark.line && begin < text.size(); ++line) {
    const auto end = std::min(text.find('\n', begin), text.size());
    const auto indent = text.substr(begin, text.find_first_not_of(" \t", begin) - begin);
    if (indent.find('\t') != std::string::npos && end > begin + indent.size())
      return "line " + std::to_string(line + 1) + " is indented with a tab; YAML wants blanks";
    begin = end + 1;
  }
  if (message.find("EOF in scalar") != std::string::npos)
    return "a quote is opened somewhere above and never closed";
  if (message.find("illegal map value") != std::string::npos)
    return "text with ': ' in it must be quoted; or the indentation changes where it must not";
  return "look at the indentation, the colons and the quotes here and in the lines before";
}

/// Notes where a document begins, and nothing else.
class DocumentStart : public YAML::EventHandler {
 public:
  std::optional<YAML::Mark> at{};

  void OnDocumentStart(const YAML::Mark& mark) override { at = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnAlias(const YAML::Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnScalar(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {}
  void OnSequenceStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/,
                       YAML::anchor_t /*anchor*/, YAML::EmitterStyle::value /*style*/) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {}
  void OnMapEnd() override {}
};

/// Where a second document begins. Not YAML::LoadAll: on text such as ", a" version 0.7 makes empty
/// documents of nothing until memory is full.
std::optional<YAML::Mark> second_document(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStart first;
  DocumentStart second;
  if (!parser.HandleNextDocument(first) || !parser.HandleNextDocument(second)) return std::nullopt;
  return second.at;
}

}  // namespace

void ConfigFiles::file_problem(const std::filesystem::path& file, std::string message,
                               std::string hint) {
  reader_.problem(SourcePosition{file.string(), 0, 0}, {}, std::move(message), std::move(hint));
}

bool ConfigFiles::first_time(const std::filesystem::path& file) {
  std::error_code error;
  auto canonical = std::filesystem::canonical(file, error);
  return seen_files_.insert(error ? file : canonical).second;
}

void ConfigFiles::check_directory(const std::filesystem::path& directory) {
  if (!check_ownership_) return;
  const auto path = directory.empty() ? std::filesystem::path(".") : directory;
  if (!checked_directories_.insert(path).second) return;
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return;  // the file itself will say it
  if (const auto why = writable_by_others(status); !why.empty())
    file_problem(path, "this directory holds configuration, and others may change it: " + why,
                 ownership_hint(status, path));
}

std::optional<std::string> ConfigFiles::read(const std::filesystem::path& file) {
  const OpenFile open(file);
  if (open.get() < 0) {
    const int error = errno;
    file_problem(file, "cannot read it: " + error_text(error),
                 error == ENOENT ? "is the path right? --config names another file" : "");
    return std::nullopt;
  }
  struct stat status {};
  if (::fstat(open.get(), &status) != 0) {
    file_problem(file, "cannot read it: " + error_text(errno));
    return std::nullopt;
  }
  if (!S_ISREG(status.st_mode)) {
    file_problem(file, S_ISDIR(status.st_mode) ? "it is a directory" : "it is not a regular file",
                 S_ISDIR(status.st_mode)
                     ? "name the file, or a pattern such as " + (file / "*.yaml").string()
                     : "");
    return std::nullopt;
  }
  if (const auto why = writable_by_others(status); check_ownership_ && !why.empty())
    file_problem(file, "others may change this configuration: " + why,
                 ownership_hint(status, file));
  std::string text;
  std::array<char, 16384> chunk{};
  for (;;) {
    const auto count = ::read(open.get(), chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      file_problem(file, "cannot read it: " + error_text(errno));
      return std::nullopt;
    }
    if (count == 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(count));
    if (text.size() <= kLargestFile) continue;
    file_problem(file, "it is larger than 1 MiB", "split it: include takes patterns");
    return std::nullopt;
  }
  return text;
}

std::optional<ConfigValue> ConfigFiles::load(const std::filesystem::path& file) {
  check_directory(file.parent_path());
  std::error_code error;
  if (std::filesystem::is_symlink(file, error))
    check_directory(std::filesystem::canonical(file, error).parent_path());
  const auto text = read(file);
  if (!text) return std::nullopt;

  // yaml-cpp 0.7 takes a quote that is still open at a last new line for closed: hence the comment.
  const SourcePosition top{file.string(), 1, 1};
  try {
    ConfigValue root{YAML::Load(*text + "\n#"), {}, top, top};
    if (const auto mark = second_document(*text)) {
      const bool marked = text->compare(static_cast<std::size_t>(mark->pos), 3, "---") == 0;
      reader_.problem(SourcePosition{file.string(), mark->line + 1, mark->column + 1}, {},
                      marked ? "a second document begins here, after '---'"
                             : "this can't stand here: the document ended before it",
                      marked ? "one file is one document"
                             : "look at the brackets and the indentation before it");
    }
    if (!root.node.IsDefined() || root.node.IsNull()) root.node = YAML::Node(YAML::NodeType::Map);
    return root;
  } catch (const YAML::Exception& exception) {
    reader_.problem(
        SourcePosition{file.string(), exception.mark.line + 1, exception.mark.column + 1}, {},
        "this is not valid YAML: " + exception.msg,
        syntax_hint(*text, exception.mark, exception.msg));
  } catch (const std::exception& exception) {
    file_problem(file, std::string("this is not valid YAML: ") + exception.what());
  }
  return std::nullopt;
}

std::vector<std::filesystem::path> ConfigFiles::included(const ConfigValue& pattern,
                                                         const std::filesystem::path& directory) {
  const auto text = reader_.text(pattern, "a file or a pattern such as apps.d/*.yaml");
  if (!text) return {};
  if (text->empty() || text->front() == '~') {
    reader_.problem(pattern,
                    "expected a file or a pattern such as apps.d/*.yaml; got '" + *text + "'",
                    "relative to the directory of this file, or in full");
    return {};
  }
  const auto path = directory / *text;
  if (text->find_first_of("*?[") == std::string::npos) return {path};
  // Checked even while it is empty: who may write there may add an app.
  if (path.parent_path().string().find_first_of("*?[") == std::string::npos)
    check_directory(path.parent_path());

  glob_t matches{};
  const std::unique_ptr<glob_t, void (*)(glob_t*)> guard(&matches, &::globfree);
  const int status = ::glob(path.c_str(), GLOB_ERR, nullptr, &matches);
  const int error = errno;
  if (status == GLOB_ABORTED && error == ENOENT) return {};  // no such directory: no match
  if (status != 0 && status != GLOB_NOMATCH)
    reader_.problem(pattern, "cannot look for '" + path.string() + "': " +
                                 (status == GLOB_ABORTED ? error_text(error) : "out of memory"));
  return {matches.gl_pathv, matches.gl_pathv + matches.gl_pathc};
}

}  // namespace dixis
