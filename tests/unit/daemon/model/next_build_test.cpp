#include "daemon/model/next_build.hpp"

#include <catch2/catch.hpp>

using namespace dixis;

namespace {

BuildFile file(std::int64_t modified_ns, std::string text = "") {
  return {true, modified_ns, 1, std::move(text)};
}

NextFiles whole(bool standalone) {
  NextFiles out;
  out.config.standalone = standalone;
  out.build_id = file(1000, "A1b2C3\n");
  out.export_marker = file(2000);
  out.standalone_build_id = file(1500, "A1b2C3");
  out.standalone_server = file(3000);
  return out;
}

}  // namespace

TEST_CASE("a build is whole when everything that comes after BUILD_ID is there", "[build]") {
  for (const bool standalone : {false, true}) {
    const auto verdict = judge_next_build(whole(standalone));
    CHECK(verdict.complete);
    CHECK(verdict.id == "A1b2C3");
    CHECK(verdict.missing.empty());
  }
}

TEST_CASE("what is missing of a build is named", "[build]") {
  auto files = whole(true);
  std::string missing;
  SECTION("BUILD_ID") {
    files.build_id = {};
    missing = ".next/BUILD_ID is missing";
  }
  SECTION("what stands in it") {
    files.build_id.text = " \n";
    missing = ".next/BUILD_ID is empty";
  }
  SECTION("export-marker.json") {
    files.export_marker = {};
    missing = ".next/export-marker.json is missing";
  }
  SECTION("that of an earlier build is still there") {
    files.export_marker.modified_ns = 999;
    missing = ".next/export-marker.json is older than BUILD_ID";
  }
  SECTION("the standalone output") {
    files.standalone_build_id = {};
    missing = ".next/standalone is missing";
  }
  SECTION("that of an earlier build") {
    files.standalone_build_id.text = "Z9y8X7w6V5u4";
    missing = ".next/standalone is of build Z9y8X7w6…";
  }
  SECTION("server.js") {
    files.standalone_server = {};
    missing = ".next/standalone/server.js is missing";
  }
  SECTION("that of an earlier build") {
    files.standalone_server.modified_ns = 1;
    missing = ".next/standalone/server.js is older than BUILD_ID";
  }
  const auto verdict = judge_next_build(files);
  CHECK_FALSE(verdict.complete);
  CHECK(verdict.missing == missing);
}

TEST_CASE("without standalone nobody asks for it", "[build]") {
  auto files = whole(false);
  files.standalone_build_id = {};
  files.standalone_server = {};
  CHECK(judge_next_build(files).complete);
}

TEST_CASE("required-server-files.json tells where things are", "[build]") {
  const auto config = parse_required_server_files(
      R"({"version":1,"config":{"distDir":"dist","basePath":"/shop","assetPrefix":"","output":"standalone"},)"
      R"("appDir":"/x","relativeAppDir":"apps/web","files":[]})");
  REQUIRE(config.has_value());
  CHECK(config->dist_dir == "dist");
  CHECK(config->base_path == "/shop");
  CHECK(config->standalone);
  CHECK(config->relative_app_dir == "apps/web");
  CHECK_FALSE(parse_required_server_files("[]").has_value());
  CHECK_FALSE(parse_required_server_files("{\"config\":").has_value());
  CHECK_FALSE(parse_required_server_files("{}").has_value());
}

TEST_CASE("a page names its build, whichever router made it", "[build]") {
  CHECK(build_ids_of_page(
            R"(self.__next_f.push([1,"0:{\"P\":null,\"b\":\"pNFl-gP_R\",\"p\":\"\"}"]))") ==
        std::vector<std::string>{"pNFl-gP_R"});
  CHECK(
      build_ids_of_page(R"(<script id="__NEXT_DATA__">{"props":{},"buildId":"abc123"}</script>)") ==
      std::vector<std::string>{"abc123"});
  CHECK(build_ids_of_page("<html>").empty());
  CHECK(build_ids_of_page(R"(\"b\":\"cut)").empty());
}

TEST_CASE("the assets of a page are found, each once", "[build]") {
  const std::string page =
      R"(<link href="/_next/static/css/a.css?dpl=1"/><script src="/_next/static/chunks/b%5Bc%5D.js">)"
      R"(<script>push("/_next/static/chunks/d.js\n")</script><img src='/_next/static/media/e.svg'>)"
      R"(<script src="/_next/static/chunks/d.js"><a href="https://other.example/_next/static/x.js">)"
      R"(<a href="/_next/static/">)";
  NextConfig config;
  const std::vector<std::string> wanted{"/_next/static/css/a.css",
                                        "/_next/static/chunks/b%5Bc%5D.js",
                                        "/_next/static/chunks/d.js", "/_next/static/media/e.svg"};
  CHECK(assets_of_page(page, config, 4) == wanted);
  SECTION("below a base path") {
    config.base_path = "/shop";
    CHECK(assets_of_page(R"(<script src="/shop/_next/static/a.js"><b src="/_next/static/b.js">)",
                         config) == std::vector<std::string>{"/_next/static/a.js"});
  }
  SECTION("no more than asked for") {
    CHECK(assets_of_page(page, config, 2).size() == 2);
  }
}

TEST_CASE("ids are shortened for tables", "[build]") {
  CHECK(short_build_id("836NPoCn9F4-uRaKvNCi2") == "836NPoCn…");
  CHECK(short_build_id("v1.2.3") == "v1.2.3");
}

TEST_CASE("times that were lost in copying spoil no whole build", "[build]") {
  auto files = whole(true);
  files.export_marker.modified_ns = 10;
  files.standalone_server.modified_ns = 20;
  CHECK_FALSE(judge_next_build(files).complete);
  // Next writes it into the build's own directory, right before the marker.
  files.ssg_manifest = file(5);
  CHECK(judge_next_build(files).complete);
}

TEST_CASE("manifests name the files of a build", "[build]") {
  const std::string build = R"({"polyfillFiles":["static/chunks/polyfills.js"],"devFiles":[],
    "pages":{"/_app":["static/chunks/main.js","static/chunks/polyfills.js"]},"ampDevFiles":7})";
  CHECK(static_files_of_manifest(build) ==
        std::vector<std::string>{"static/chunks/main.js", "static/chunks/polyfills.js"});
  const std::string pages = R"({"/page":"app/page.js","/404":"pages/404.html","odd":[]})";
  CHECK(pages_of_manifest(pages) == std::vector<std::string>{"app/page.js", "pages/404.html"});
  CHECK(names_page(pages, "/page"));
  CHECK_FALSE(names_page(pages, "/"));
  CHECK(traced_files(R"({"version":1,"files":["../chunks/1.js",7]})") ==
        std::vector<std::string>{"../chunks/1.js"});
  for (const std::string damaged : {"", "[]", "{", "\"static/x\"x"}) {
    const bool json = damaged == "[]";
    CHECK(static_files_of_manifest(damaged).has_value() == json);
    CHECK(pages_of_manifest(damaged).has_value() == json);
    CHECK(traced_files(damaged).has_value() == json);
    CHECK_FALSE(names_page(damaged, "/"));
  }
}
