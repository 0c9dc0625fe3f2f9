#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "daemon/logs/index_writer.hpp"
#include "daemon/logs/intent.hpp"
#include "daemon/logs/log_pipe.hpp"
#include "daemon/logs/log_settings.hpp"
#include "daemon/logs/losses.hpp"
#include "daemon/logs/retention.hpp"
#include "daemon/sys/fd.hpp"

namespace dixis {

/// What one attempt to empty a pipe came to.
enum class Carried {
  moved,    ///< some bytes; there is more
  partly,   ///< not all that was tried; trying again may help
  emptied,  ///< all that was there
  nothing,  ///< there is nothing that can be written now
  ended,    ///< nothing more will come
  failed,   ///< the file can't be written; the pipe holds what it held
};

/// What the log worker works with; one of each.
struct LogTools {
  explicit LogTools(const std::filesystem::path& intent_file) : intent(intent_file) {}
  PipeLens lens{};
  LogIntent intent;
  Compressor compressor{};
  Retention retention{compressor};
};

/// One stream's file of one app, shared by its generations and, unless its name says otherwise, its
/// instances. Log worker; blocks on the disk.
///
/// It is written at its end, wherever that is by now: one that was truncated goes on at its new
/// end; in the place of one that was removed or renamed a new one is made.
class LogFile {
 public:
  LogFile(std::string app, std::filesystem::path path, LogTools& tools)
      : app_(std::move(app)), path_(std::move(path)), tools_(tools), index_(path_) {}

  const std::string& app() const { return app_; }
  const std::filesystem::path& path() const { return path_; }
  const std::shared_ptr<Losses>& losses() const { return losses_; }
  void set(const LogSettings& settings) { settings_ = settings; }
  /// How many pipes lead here.
  void set_pipes(std::size_t count) { pipes_ = count; }

  /// Makes the file if it isn't there. 0 or the errno.
  int prepare() { return locate(); }
  /// Lets go of it; it is found again by its name.
  void close();
  /// Empties it and removes what was rotated, and what it owes. 0 or the errno.
  int flush();

  /// Moves what the pipe holds: whole lines, where others write here too. `all`: and what is no
  /// whole line yet. What was lost is told before them.
  Carried carry(LogPipe& pipe, bool all = false);

 private:
  /// What one write(2) brings to the file.
  struct Piece {
    std::size_t source = 0;         ///< so many bytes of the pipe
    std::string own{};              ///< lines of dixis itself, first
    std::span<const char> bytes{};  ///< and what the app's become
    Loss told{};
  };

  /// Opens or reopens, and finds the end. 0 or the errno.
  int locate();
  int open();
  void find_line_state();
  bool belongs_to(const LogPipe& pipe) const;

  /// What is first in a pipe; valid until the next look.
  struct Head {
    std::span<const char> seen{};
    std::span<const char> lines{};  ///< of them, what can be written now
    bool ended = false;             ///< there is nothing, and nothing will come
  };
  Head look(LogPipe& pipe, bool all);
  Piece piece_of(const LogPipe& pipe, std::span<const char> bytes);
  void shape_raw(Piece& piece, std::span<const char> bytes, bool at_line_start);
  void shape_text(Piece& piece, const LogPipe& pipe, std::span<const char> bytes,
                  bool at_line_start);
  std::uint64_t room() const;

  bool too_old() const;
  bool rotate();

  Carried write(LogPipe& pipe, const Piece& piece, std::span<const char> seen);
  void note(const LogPipe& pipe, const Piece& piece);
  Carried cut_short(LogPipe& pipe, const Piece& piece, std::size_t written, int error);
  Carried after(int error);
  void arrived(LogPipe& pipe, const Piece& piece, std::size_t written);

  std::string app_;
  std::filesystem::path path_;
  LogTools& tools_;  // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
  LogSettings settings_{};
  std::shared_ptr<Losses> losses_ = std::make_shared<Losses>();
  std::size_t pipes_ = 0;

  UniqueFd file_{};
  IndexWriter index_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::uint64_t end_ = 0;
  bool line_open_ = false;                  ///< it doesn't end with a newline
  std::optional<LogIndexRecord> writer_{};  ///< whose bytes are its last ones, if it is known
  std::optional<std::uint64_t> next_number_{};
  std::string text_{};
};

}  // namespace dixis
