#include "daemon/run/build/served_build.hpp"

#include <algorithm>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/logs/within.hpp"
#include "daemon/run/notifier.hpp"
#include "daemon/run/probe/http_client.hpp"
#include "daemon/sys/app_files.hpp"

namespace dixis {

namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr int kMostRedirects = 5;
constexpr std::size_t kAtOnce = 8;
constexpr std::size_t kPageBytes = std::size_t{2} << 20U;

/// What all questions of one proof share.
struct Proof {
  Worker& slow_worker;
  ServedBuildRequest request;
  std::chrono::steady_clock::time_point until;
  std::optional<std::string> other{};  ///< the build that it serves instead

  std::chrono::milliseconds left() const {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    return std::max(std::chrono::milliseconds(1), left);
  }
  const NextConfig& config() const { return request.build.config; }
};
using ProofPtr = std::shared_ptr<Proof>;

Task<Result<HttpAnswer>> get(ProofPtr proof, std::string path, std::size_t body_limit) {
  HttpRequest request;
  request.socket = proof->request.socket;
  request.host = proof->request.host;
  if (request.host.empty() || request.host == "0.0.0.0") request.host = "127.0.0.1";
  if (request.host == "::") request.host = "::1";
  request.port = proof->request.port;
  request.path = std::move(path);
  request.body_limit = body_limit;
  request.headers["Accept"] = "text/html,*/*";
  co_return co_await http_request(std::move(request), proof->left());
}

/// The path that a redirect leads to, if it stays on this server.
std::optional<std::string> next_path(const HttpAnswer& answer) {
  const auto location = answer.headers.find("location");
  if (answer.status < 300 || answer.status > 399 || location == answer.headers.end()) {
    return std::nullopt;
  }
  const auto& to = location->second;
  if (to.starts_with("/") && !to.starts_with("//")) return to;
  const auto scheme = to.find("://");
  if (scheme == std::string::npos) return std::nullopt;
  const auto slash = to.find('/', scheme + 3);
  return slash == std::string::npos ? "/" : to.substr(slash);
}

/// The page, redirects followed. An error of the server is one of the build until it is over; 404
/// is an answer where the build has no such page.
Task<Result<std::string>> get_page(ProofPtr proof) {
  std::string path = proof->config().base_path + "/";
  for (int hop = 0; hop <= kMostRedirects; ++hop) {
    auto answer = co_await get(proof, path, kPageBytes);
    if (!answer) co_return Error{"its page " + path + ": " + answer.error().message};
    const bool lacking = answer->status == 404 && hop == 0 && proof->request.build.has_root_page;
    if (answer->status >= 500 || lacking) {
      co_return Error{"its page " + path + " is answered with " + std::to_string(answer->status) +
                          (lacking ? ", though the build has it" : ""),
                      "see its log"};
    }
    const auto next = next_path(*answer);
    if (!next) {
      const auto type = answer->headers.find("content-type");
      const bool html =
          type != answer->headers.end() && type->second.find("text/html") != std::string::npos;
      co_return html ? std::move(answer->body) : std::string();
    }
    path = *next;
  }
  co_return std::string();
}

std::string decoded(const std::string& path) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    unsigned value = 0;
    if (path[i] == '%' && i + 2 < path.size() &&
        std::sscanf(path.substr(i + 1, 2).c_str(), "%2x", &value) == 1) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += path[i];
    }
  }
  return out;
}

/// Where on disk a web server would look for it. nullopt: it would lead out of there.
std::optional<fs::path> file_of(const ServedBuildRequest& request, const std::string& asset) {
  constexpr std::string_view kPrefix = "/_next/static/";
  const fs::path below = decoded(asset.substr(kPrefix.size()));
  for (const auto& part : below) {
    if (part == "..") return std::nullopt;
  }
  return request.spec.cwd / request.build.config.dist_dir / "static" / below;
}

/// The first asset that doesn't lie on disk; nullopt: all do.
std::optional<std::string> first_not_on_disk(const ServedBuildRequest& request,
                                             const std::vector<std::string>& assets) {
  for (const auto& asset : assets) {
    const auto file = file_of(request, asset);
    if (!file || check_access(*file, R_OK, request.credentials) != 0) return asset;
  }
  return std::nullopt;
}

Error asset_error(const ServedBuildRequest& request, const std::string& asset,
                  const std::string& what) {
  const auto& dist = request.build.config.dist_dir;
  std::string hint = "run `next build` again, to its end";
  if (request.build.copied) {
    hint = "copy the build's static to " + (request.spec.cwd / dist / "static").string();
  } else if (request.build.config.standalone) {
    hint =
        "copy " + dist + "/static to " + dist + "/standalone/" + dist + "/static after each build";
  }
  return Error{"the page names " + asset + ", which " + what,
               hint + " (`assets: false` turns this check off)"};
}

/// What the assets of a page have shown so far; several are asked at once.
struct Assets {
  std::vector<std::string> paths{};
  std::size_t next = 0;
  std::size_t open = 0;
  std::optional<std::string> bad{};
  std::string answer{};
  Notifier done{};
};

Task<void> ask_assets(ProofPtr proof, std::shared_ptr<Assets> assets) {
  while (!assets->bad && assets->next < assets->paths.size()) {
    const std::string asset = assets->paths[assets->next++];
    std::string path = proof->config().base_path + asset;
    const auto answer = co_await get(proof, std::move(path), 1024);
    if (answer && answer->status == 200) continue;
    if (!assets->bad) {
      assets->bad = asset;
      assets->answer = answer ? "is answered with " + std::to_string(answer->status)
                              : "can't be had: " + answer.error().message;
    }
  }
  --assets->open;
  assets->done.notify_all();
}

Task<Result<std::size_t>> check_assets(ProofPtr proof, std::string page) {
  const auto assets = std::make_shared<Assets>();
  assets->paths = assets_of_page(page, proof->config());
  const auto executor = co_await asio::this_coro::executor;
  assets->open = std::min(kAtOnce, assets->paths.size());
  for (std::size_t i = 0; i < std::min(kAtOnce, assets->paths.size()); ++i) {
    asio::co_spawn(executor, ask_assets(proof, assets), asio::detached);
  }
  while (assets->open > 0) co_await assets->done.wait();
  if (assets->bad) co_return asset_error(proof->request, *assets->bad, assets->answer);
  auto work = [request = proof->request, paths = assets->paths] {
    return first_not_on_disk(request, paths);
  };
  auto looking = proof->slow_worker.run(std::move(work));
  const auto missing = co_await within(5s, std::move(looking));
  if (missing && *missing) {
    co_return asset_error(proof->request, **missing,
                          "doesn't lie in " + proof->config().dist_dir +
                              "/static, where a web server would take it from");
  }
  co_return assets->paths.size();
}

/// Which build the process serves: by its manifest, else by what its page says.
Task<Result<void>> check_id(ProofPtr proof, std::string page) {
  const auto& build = proof->request.build;
  const std::string id = *build.id;
  std::string manifest = build.config.base_path + "/_next/static/" + id + "/_buildManifest.js";
  const auto answer = co_await get(proof, manifest, 1024);
  if (!answer) co_return Error{"its build manifest: " + answer.error().message};
  if (answer->status == 200) co_return Result<void>{};
  const auto ids = build_ids_of_page(page);
  if (std::find(ids.begin(), ids.end(), id) != ids.end()) co_return Result<void>{};
  if (!ids.empty()) {
    proof->other = ids.front();
    co_return Error{"it serves build " + ids.front() + ", but " + id + " is on disk", "restart it"};
  }
  const std::string told = manifest + " is answered with " + std::to_string(answer->status);
  if (build.config.standalone && !proof->request.assets) co_return Result<void>{};
  if (build.config.standalone) {
    co_return asset_error(proof->request, manifest,
                          "is answered with " + std::to_string(answer->status));
  }
  co_return Error{"it doesn't serve build " + id + ", which is on disk: " + told, "restart it"};
}

/// That the disk still holds what the process was compared with.
Task<Result<void>> check_disk(ProofPtr proof) {
  auto work = [spec = proof->request.spec, credentials = proof->request.credentials] {
    return read_build(spec, credentials);
  };
  auto reading = proof->slow_worker.run(std::move(work));
  const auto now = co_await within(5s, std::move(reading));
  if (!now || !*now || !**now) co_return Result<void>{};
  const auto& id = (**now)->id;
  if (id == proof->request.build.id) co_return Result<void>{};
  co_return Error{"the build on disk was replaced during the proof: it serves " +
                      proof->request.build.id.value_or("none") + ", now " + id.value_or("none") +
                      " is there",
                  "restart it"};
}

Task<Result<std::string>> prove_next(ProofPtr proof) {
  auto page = co_await get_page(proof);
  if (!page) co_return page.error();
  const auto right = co_await check_id(proof, *page);
  if (!right) co_return right.error();
  std::string words = "serves build " + short_build_id(*proof->request.build.id);
  if (proof->request.assets) {
    const auto assets = co_await check_assets(proof, *page);
    if (!assets) co_return assets.error();
    if (*assets > 0) words += " with " + std::to_string(*assets) + " assets";
  }
  const auto disk = co_await check_disk(proof);
  if (!disk) co_return disk.error();
  co_return words;
}

Task<Result<std::string>> prove_id_file(ProofPtr proof) {
  const auto& verify = proof->request.spec.health.build.verify;
  const std::string id = *proof->request.build.id;
  if (!verify.empty()) {
    const auto answer = co_await get(proof, verify, kPageBytes);
    if (!answer) co_return Error{verify + ": " + answer.error().message};
    if (answer->body.find(id) == std::string::npos) {
      co_return Error{
          "the answer of " + verify + " doesn't hold " + id + ", the build that is on disk",
          "restart it"};
    }
  }
  const auto disk = co_await check_disk(proof);
  if (!disk) co_return disk.error();
  co_return (verify.empty() ? "started from build " : "serves build ") + short_build_id(id);
}

}  // namespace

Task<ServedBuild> prove_served_build(Worker& slow_worker, ServedBuildRequest request,
                                     std::chrono::milliseconds timeout) {
  if (!request.build.id) co_return ServedBuild{std::string()};
  const bool next = request.build.next;
  const auto proof = std::make_shared<Proof>(
      Proof{slow_worker, std::move(request), std::chrono::steady_clock::now() + timeout});
  ServedBuild out{std::string()};
  if (next) {
    out.proof = co_await prove_next(proof);
  } else {
    out.proof = co_await prove_id_file(proof);
  }
  out.other = proof->other;
  co_return out;
}

}  // namespace dixis
