#include "daemon/logs/capture.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <fstream>
#include <future>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "daemon/logs/carrier.hpp"
#include "daemon/logs/printable.hpp"
#include "daemon/logs/within.hpp"

namespace dixis {
namespace {

namespace asio = boost::asio;

constexpr int kPipeBytes = 1 << 20;
constexpr off_t kTailBytes = 4096;
/// The disk may hang; who asks for a mark or for lines may not.
constexpr std::chrono::milliseconds kAnswerLimit{500};
constexpr std::chrono::milliseconds kFinishLimit{1000};
/// A mark that wasn't told in time: no line counts as written after it.
constexpr std::int64_t kUnknownOffset = -1;

struct Pipe {
  UniqueFd read_end;
  UniqueFd app_end;
};

Result<Pipe> make_pipe() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return errno_error("cannot make a pipe", errno);
  Pipe pipe{UniqueFd(ends[0]), {}};
  const UniqueFd write_end(ends[1]);
  // Fewer bytes are allowed to a user who has many pipes: then it keeps the size that it has.
  (void)::fcntl(write_end.get(), F_SETPIPE_SZ, kPipeBytes);
  const std::string again = "/proc/self/fd/" + std::to_string(write_end.get());
  pipe.app_end.reset(::open(again.c_str(), O_RDWR | O_CLOEXEC));
  if (!pipe.app_end) return errno_error("cannot open a pipe again through " + again, errno);
  return pipe;
}

/// Our pipes are open for reading and writing in the app. One that the app made itself (`| tee`) is
/// not ours to read.
bool open_for_both(const std::string& process, int fd) {
  std::ifstream info(process + "/fdinfo/" + std::to_string(fd));
  for (std::string key, value; info >> key >> value;) {
    if (key == "flags:") return (std::stoi(value, nullptr, 8) & O_ACCMODE) == O_RDWR;
  }
  return false;
}

struct Adopted {
  UniqueFd read_end{};
  ino_t inode = 0;
};

Result<Adopted> reopen(const std::string& process, int fd) {
  const std::string path = process + "/fd/" + std::to_string(fd);
  const std::string what = "cannot take back the output of a process through " + path;
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return errno_error(what, errno);
  if (!S_ISFIFO(facts.st_mode) || !open_for_both(process, fd)) {
    return Error{what + ": it is not a pipe of ours",
                 "the process redirected it; what it writes there is not in the log"};
  }
  Adopted adopted{UniqueFd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)), facts.st_ino};
  if (!adopted.read_end) return errno_error(what, errno);
  return adopted;
}

std::int64_t size_of(const std::filesystem::path& file) {
  struct stat facts {};
  return ::stat(file.c_str(), &facts) == 0 ? facts.st_size : 0;
}

/// At most kTailBytes from the end of what follows `offset`, whole lines if there are any.
std::string read_tail(const std::filesystem::path& file, std::int64_t offset) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (offset == kUnknownOffset || !fd || ::fstat(fd.get(), &facts) != 0) return {};
  const off_t since = offset <= facts.st_size ? offset : 0;  // it was truncated or replaced
  const off_t from = std::max(since, facts.st_size - kTailBytes);
  std::string tail(static_cast<std::size_t>(facts.st_size - from), '\0');
  const ssize_t count = ::pread(fd.get(), tail.data(), tail.size(), from);
  tail.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  const auto line_end = tail.find('\n');
  if (from > since && line_end != std::string::npos && line_end + 1 < tail.size()) {
    tail.erase(0, line_end + 1);  // its beginning is cut off
  }
  return tail;
}

}  // namespace

struct Capture::Impl {
  Worker& worker;
  std::filesystem::path directory;
  std::shared_ptr<Carrier> carrier;

  void follow(UniqueFd pipe, std::filesystem::path file) {
    asio::post(worker.context(),
               [carrier = carrier, pipe = std::move(pipe), file = std::move(file)]() mutable {
                 carrier->follow(std::move(pipe), file);
               });
  }
};

Capture::Capture(Worker& worker, std::filesystem::path directory)
    : impl_(std::make_shared<Impl>(
          Impl{worker, std::move(directory), std::make_shared<Carrier>(worker.context())})) {}

Capture::~Capture() {
  auto done = std::make_shared<std::promise<void>>();
  auto finished = done->get_future();
  asio::post(impl_->worker.context(), [carrier = impl_->carrier, done] {
    carrier->finish();
    done->set_value();
  });
  // The one time that the loop waits for the worker: it ends, and the last lines shall be written.
  finished.wait_for(kFinishLimit);
}

std::filesystem::path Capture::out_file(const std::string& app) const {
  return impl_->directory / (app + "-out.log");
}

std::filesystem::path Capture::err_file(const std::string& app) const {
  return impl_->directory / (app + "-err.log");
}

Result<CaptureEnds> Capture::open(const std::string& app) {
  auto out = make_pipe();
  if (!out) return out.error();
  auto err = make_pipe();
  if (!err) return err.error();
  impl_->follow(std::move(out->read_end), out_file(app));
  impl_->follow(std::move(err->read_end), err_file(app));
  return CaptureEnds{std::move(out->app_end), std::move(err->app_end)};
}

Result<void> Capture::adopt(const std::string& app, int pid) {
  const std::string process = "/proc/" + std::to_string(pid);
  auto out = reopen(process, STDOUT_FILENO);
  auto err = reopen(process, STDERR_FILENO);
  const bool joined = out && err && out->inode == err->inode;  // 2>&1: one pipe, one carrier
  // Each for itself: a pipe of ours that nobody reads would stop the app once it is full.
  if (out) impl_->follow(std::move(out->read_end), out_file(app));
  if (err && !joined) impl_->follow(std::move(err->read_end), err_file(app));
  if (!out) return out.error();
  if (!err) return err.error();
  return {};
}

void Capture::resume(const std::string& app, UniqueFd out, UniqueFd err) {
  if (out) impl_->follow(std::move(out), out_file(app));
  if (err) impl_->follow(std::move(err), err_file(app));
}

Task<void> Capture::flush(std::string app) {  // NOLINT(performance-unnecessary-value-param)
  auto carry = [carrier = impl_->carrier, out = out_file(app), err = err_file(app)] {
    carrier->flush(out);
    carrier->flush(err);
    return true;
  };
  auto carrying = impl_->worker.run(std::move(carry));
  co_await within(kAnswerLimit, std::move(carrying));
}

Task<CaptureMark> Capture::mark(std::string app) {  // NOLINT(performance-unnecessary-value-param)
  const CaptureMark unknown{out_file(app), err_file(app), kUnknownOffset, kUnknownOffset};
  auto measure = [mark = unknown]() mutable {
    mark.out_offset = size_of(mark.out_file);
    mark.err_offset = size_of(mark.err_file);
    return mark;
  };
  auto measuring = impl_->worker.run(std::move(measure));
  auto measured = co_await within(kAnswerLimit, std::move(measuring));
  co_return std::move(measured).value_or(unknown);
}

Task<std::string> Capture::last_lines(CaptureMark mark, int lines) {
  auto read = [carrier = impl_->carrier, mark = std::move(mark), lines] {
    carrier->flush(mark.err_file);
    auto found = last_lines_of(printable(read_tail(mark.err_file, mark.err_offset)), lines);
    if (!found.empty()) return found;
    carrier->flush(mark.out_file);
    return last_lines_of(printable(read_tail(mark.out_file, mark.out_offset)), lines);
  };
  auto reading = impl_->worker.run(std::move(read));
  auto text = co_await within(kAnswerLimit, std::move(reading));
  co_return std::move(text).value_or(std::string());
}

}  // namespace dixis
