#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <sys/types.h>
#include <vector>

#include "common/model.hpp"
#include "common/result.hpp"
#include "daemon/run/death_line.hpp"
#include "daemon/run/document.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

/// STATE/deaths.jsonl, the format of which is in DOCUMENTS.md. Blocks: for a worker. It remembers
/// where the lines of each app lie, and looks again when the file isn't the one that it left.
class DeathFile {
 public:
  explicit DeathFile(std::filesystem::path directory, StepHook before_step = {});

  /// Appends all with one write, and returns when they are durable. After a failure the file is as
  /// it was before.
  Result<void> append(const std::vector<DeathLine>& lines);

  /// The newest deaths of an app, or of one of its instances, newest first.
  Result<std::vector<DeathRecord>> newest(const std::string& app, std::size_t limit,
                                          std::optional<std::uint32_t> instance);

  /// What was noticed since the last call, for the daemon's log: damaged lines, a compaction that
  /// failed.
  std::vector<std::string> take_remarks();

 private:
  struct Span {
    off_t offset = 0;
    std::size_t length = 0;  ///< without the line's end
  };
  struct Index {
    std::map<std::string, std::deque<Span>> apps{};
    std::size_t kept = 0;   ///< lines in `apps`
    std::size_t lines = 0;  ///< in the file, damaged ones included
    std::size_t damaged = 0;
    bool ends_clean = true;  ///< the last line is whole
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;

    void add(const std::string& app, Span span);
    void forget(const std::string& app);
  };

  void step(std::string_view name) const;
  Result<UniqueFd> open(int flags);
  Result<void> make_index(int fd);
  void take_line(Index& index, Span span, std::string_view text);
  Result<void> write_lines(int fd, const std::string& text);
  Result<void> sync_directory() const;
  void compact_if_due(int fd);
  Result<void> compact(int fd);

  std::filesystem::path directory_;
  std::filesystem::path file_;
  StepHook before_step_;
  std::optional<Index> index_{};
  std::size_t compact_above_ = 0;  ///< lines; raised after a compaction that failed
  std::vector<std::string> remarks_{};
};

}  // namespace dixis
