#include "daemon/sys/app_files.hpp"

#include <algorithm>
#include <cerrno>
#include <future>
#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "support.hpp"

using namespace dixis;
using namespace dixis::test;

namespace {

std::string failure(const std::filesystem::path& file,
                    const std::optional<Credentials>& credentials = std::nullopt) {
  const auto text = read_app_file(file, credentials);
  REQUIRE_FALSE(text.has_value());
  return text.error().message;
}

std::string thread_ids() {
  std::ifstream status("/proc/thread-self/status");
  std::string ids;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Uid:") || line.starts_with("Gid:") || line.starts_with("Groups:") ||
        line.starts_with("CapEff:")) {
      ids += line + "\n";
    }
  }
  return ids;
}

}  // namespace

TEST_CASE("only regular files of at most 1 MiB are read, and nothing hangs", "[sys][files]") {
  const TemporaryDirectory directory;
  const auto file = directory.write("plain", std::string("a=1\n\0b", 6));
  CHECK(read_app_file(file, std::nullopt).value() == std::string("a=1\n\0b", 6));
  CHECK(read_app_file(directory.write("empty", ""), std::nullopt).value().empty());

  const auto largest = directory.write("largest", std::string(kMaxAppFile, 'x'));
  CHECK(read_app_file(largest, std::nullopt).value().size() == kMaxAppFile);
  const auto larger = directory.write("larger", std::string(kMaxAppFile + 1, 'x'));
  CHECK(failure(larger) == "cannot read " + larger.string() + ": the file is larger than 1 MiB");

  const auto missing = directory / "missing";
  CHECK(failure(missing) == "cannot read " + missing.string() + ": No such file or directory");
  CHECK(failure(directory.path()).find("not a regular file") != std::string::npos);
  CHECK(failure("/dev/zero").find("not a regular file") != std::string::npos);
  const auto fifo = directory / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0644) == 0);
  CHECK(failure(fifo).find("not a regular file") != std::string::npos);
}

TEST_CASE("files are read with the app's rights, not root's", "[sys][files]") {
  if (!is_root()) return;
  const TemporaryDirectory directory;
  const auto secret = directory.write("secret", "s", 0600);
  const auto open = directory.write("open", "o", 0644);
  const std::string before = thread_ids();

  CHECK(read_app_file(secret, std::nullopt).value() == "s");
  CHECK(read_app_file(open, nobody()).value() == "o");
  CHECK(failure(secret, nobody()) ==
        "cannot read " + secret.string() + " as user nobody: Permission denied");
  CHECK(read_app_file(secret, nobody()).error().hint.find("user nobody") != std::string::npos);
  std::filesystem::create_symlink("/etc/shadow", directory / "link");
  CHECK(failure(directory / "link", nobody()).find("Permission denied") != std::string::npos);

  CHECK(check_access(secret, R_OK, nobody()) == EACCES);
  CHECK(check_access(secret, R_OK, std::nullopt) == 0);
  CHECK(check_access(open, R_OK, nobody()) == 0);
  CHECK(check_access(open, W_OK, nobody()) == EACCES);
  CHECK(check_access(directory.path(), X_OK, nobody()) == 0);
  CHECK(check_access(directory.path(), W_OK, nobody()) == EACCES);
  CHECK(check_access(directory / "missing", F_OK, nobody()) == ENOENT);

  CHECK(thread_ids() == before);
}

TEST_CASE("supplementary groups count", "[sys][files]") {
  if (!is_root()) return;
  const TemporaryDirectory directory;
  const auto file = directory.write("shared", "g", 0640);
  REQUIRE(::chown(file.c_str(), 0, 4) == 0);
  auto member = nobody();
  CHECK(check_access(file, R_OK, member) == EACCES);
  member.groups.push_back(4);
  CHECK(check_access(file, R_OK, member) == 0);
  CHECK(read_app_file(file, member).value() == "g");
}

TEST_CASE("switching rights leaves the other threads alone", "[sys][files]") {
  if (!is_root()) return;
  const TemporaryDirectory directory;
  const auto secret = directory.write("secret", "s", 0600);
  std::promise<void> stop;
  auto other = std::async(std::launch::async, [&, stopped = stop.get_future()] {
    int refused = 0;
    do {
      refused += check_access(secret, R_OK, nobody()) == EACCES ? 0 : 1;
    } while (stopped.wait_for(std::chrono::seconds(0)) != std::future_status::ready);
    return refused;
  });
  const std::string before = thread_ids();
  bool same = true;
  for (int i = 0; i < 2000; ++i) {
    same = same && std::ifstream(secret).good() && ::geteuid() == 0;
  }
  stop.set_value();
  CHECK(other.get() == 0);
  CHECK(same);
  CHECK(thread_ids() == before);
}

TEST_CASE("users and groups are looked up by name and by number", "[sys][credentials]") {
  const auto root = look_up_credentials("root", std::nullopt).value();
  CHECK(root.uid == 0);
  CHECK(root.gid == 0);
  CHECK(root.user == "root");
  CHECK(root.home == "/root");
  CHECK(root.shell == "/bin/bash");
  CHECK(std::count(root.groups.begin(), root.groups.end(), gid_t{0}) == 1);

  CHECK(look_up_credentials("0", std::nullopt).value().user == "root");
  const auto with_group = look_up_credentials("root", "adm").value();
  CHECK(with_group.gid != 0);
  CHECK(std::count(with_group.groups.begin(), with_group.groups.end(), with_group.gid) == 1);
  CHECK(look_up_credentials("root", "4").value().gid == 4);

  const auto own = look_up_credentials(std::nullopt, std::nullopt).value();
  CHECK(own.uid == ::geteuid());
}

TEST_CASE("a user or group that isn't there is named, with what to do", "[sys][credentials]") {
  const auto user = look_up_credentials("no-such-user", std::nullopt);
  REQUIRE_FALSE(user.has_value());
  CHECK(user.error().message == "there is no user 'no-such-user' on this machine");
  CHECK(user.error().hint.find("adduser no-such-user") != std::string::npos);

  const auto group = look_up_credentials("root", "no-such-group");
  REQUIRE_FALSE(group.has_value());
  CHECK(group.error().message == "there is no group 'no-such-group' on this machine");

  const auto number = look_up_credentials("3999999", std::nullopt);
  REQUIRE_FALSE(number.has_value());
  CHECK(number.error().hint.find("'group'") != std::string::npos);
  const auto numbers = look_up_credentials("3999999", "3999999").value();
  CHECK(numbers.uid == 3999999);
  CHECK(numbers.groups == std::vector<gid_t>{3999999});
  CHECK_FALSE(look_up_credentials("-1", std::nullopt).has_value());
  CHECK_FALSE(look_up_credentials("", std::nullopt).has_value());
}
