#include "daemon/model/command_facts.hpp"

#include <catch2/catch.hpp>

#include "daemon/model/words.hpp"

using namespace dixis;
using Words = std::vector<std::string>;
using Environment = std::map<std::string, std::string>;

namespace {

Words words(std::string_view line) {
  return split_words(line).value();
}

/// "HOST:PORT" of a command, or "unknown".
std::string where(const Words& command, const Environment& environment = {},
                  const AppSpec& spec = {}) {
  const auto address = listen_address(spec, command, environment);
  return address ? address->host + ":" + std::to_string(address->port) : "unknown";
}
std::string where(std::string_view line, const Environment& environment = {}) {
  return where(words(line), environment);
}

Result<ResolvedScript> resolve(std::string_view line, const std::string& scripts,
                               std::string_view npmrc = "", bool pnp = false) {
  return resolve_script(
      words(line), R"({"name":"shop","version":"1.2.3","scripts":)" + scripts + "}", npmrc, pnp);
}

}  // namespace

TEST_CASE("Next is known by its command", "[command_facts]") {
  CHECK(next_kind(words("node_modules/.bin/next start -p 3001")) == NextKind::start);
  CHECK(next_kind(words("next dev")) == NextKind::dev);
  CHECK(next_kind(words("next")) == NextKind::dev);
  CHECK(next_kind(words("next build")) == NextKind::none);
  CHECK(next_kind(words("node --max-old-space-size=512 node_modules/next/dist/bin/next start")) ==
        NextKind::start);
  CHECK(next_kind(words("npx next start")) == NextKind::start);
  CHECK(next_kind(words("pnpm exec next start")) == NextKind::start);
  CHECK(next_kind({"bash", "-c", "PORT=3001 exec next start"}) == NextKind::start);
  CHECK(next_kind(words("node .next/standalone/server.js")) == NextKind::standalone);
  CHECK(next_kind(words("node -r ./hook.js server.js")) == NextKind::standalone);
  CHECK(next_kind(words("node worker.js")) == NextKind::none);
  CHECK(next_kind({}) == NextKind::none);
}

TEST_CASE("where Next listens", "[command_facts]") {
  CHECK(where("next start") == ":3000");
  CHECK(where("next start -p 3001 -H 127.0.0.1") == "127.0.0.1:3001");
  CHECK(where("next start --port=3001 --hostname ::1") == "::1:3001");
  CHECK(where("next start -p3001") == ":3001");
  CHECK(where("next start", {{"PORT", "3002"}, {"HOSTNAME", "127.0.0.1"}}) == ":3002");
  CHECK(where("next start -p 3001", {{"PORT", "3002"}}) == ":3001");
  CHECK(where("next start -p abc") == "unknown");
  CHECK(where("node .next/standalone/server.js") == ":3000");
  CHECK(where("node server.js") == "unknown");
  CHECK(where("node server.js", {{"PORT", "3001"}, {"HOSTNAME", "127.0.0.1"}}) == "127.0.0.1:3001");
  AppSpec in_standalone;
  in_standalone.cwd = "/srv/shop/.next/standalone";
  CHECK(where(words("node server.js"), {}, in_standalone) == ":3000");
}

TEST_CASE("where other servers listen", "[command_facts]") {
  CHECK(where("php artisan serve --host=0.0.0.0 --port=8001") == "0.0.0.0:8001");
  CHECK(where("php artisan serve", {{"PORT", "3000"}}) == "127.0.0.1:8000");
  CHECK(where(Words{"php8.2", "-S", "[::1]:8080", "-t", "public"}) == "::1:8080");
  CHECK(where("php -d x=y -S localhost:8080") == "localhost:8080");
  CHECK(where("php artisan queue:work") == "unknown");
  CHECK(where("uvicorn app:app --host 127.0.0.1 --port 8000") == "127.0.0.1:8000");
  CHECK(where("./server -p 8080") == ":8080");
  CHECK(where("./worker -p production") == "unknown");
  CHECK(where("node -p 3") == "unknown");
  CHECK(where("ssh -N -p 2222 host") == "unknown");
  CHECK(where("./server", {{"PORT", "8080"}, {"HOST", "127.0.0.1"}}) == "127.0.0.1:8080");
  CHECK(where("./server", {{"PORT", "8080"}, {"HOSTNAME", "vps-1"}}) == ":8080");
  CHECK(where("env PORT=8081 ./server", {{"PORT", "8080"}}) == ":8081");
  CHECK(where(Words{"bash", "-c", "PORT=8082 ./server"}) == ":8082");
  CHECK(where("./server") == "unknown");
  CHECK(where(Words{}) == "unknown");
}

TEST_CASE("the configuration's word wins over the command's", "[command_facts]") {
  AppSpec spec;
  spec.listen = ListenAddress{"", 4000};
  CHECK(where(words("next start -p abc -H 127.0.0.1"), {}, spec) == "127.0.0.1:4000");
  spec.listen->host = "::";
  CHECK(where(words("next start -H 127.0.0.1"), {}, spec) == ":::4000");
  AppSpec none;
  none.no_port = true;
  CHECK(where(words("next start"), {}, none) == "unknown");
  CHECK(find_listen_address(none, words("next start -p abc"), {}).has_value());
}

TEST_CASE("a port that can't be understood is an error", "[command_facts]") {
  CHECK(find_listen_address({}, words("next start -p abc"), {}).has_error());
  CHECK(find_listen_address({}, words("next start -p"), {}).has_error());
  CHECK(find_listen_address({}, words("./server --port 0"), {}).has_error());
  CHECK(find_listen_address({}, words("./server"), {{"PORT", "web"}}).has_error());
}

TEST_CASE("package scripts are recognised", "[command_facts]") {
  CHECK(package_script(words("npm start")) == "start");
  CHECK(package_script(words("/usr/bin/npm run serve:prod")) == "serve:prod");
  CHECK(package_script(words("npm run-script -s x")) == "x");
  CHECK(package_script(words("pnpm dev")) == "dev");
  CHECK(package_script(words("yarn start")) == "start");
  for (const auto* line : {"npm", "npm install", "npm dev", "npm --prefix a start", "npm run",
                           "npm run -w a x", "node start", "yarn add x"}) {
    INFO(line);
    CHECK_FALSE(package_script(words(line)));
  }
  CHECK_FALSE(package_script({"bash", "-c", "npm start"}));
  CHECK(package_script(inner_command({"bash", "-c", "npm start"}).command) == "start");
}

TEST_CASE("a plain script is run without its wrapper", "[command_facts]") {
  const auto plain = resolve("npm start", R"({"start":"next start"})").value();
  CHECK(plain.command == Words{"next", "start"});
  CHECK(plain.environment == Environment{{"npm_lifecycle_event", "start"},
                                         {"npm_package_name", "shop"},
                                         {"npm_package_version", "1.2.3"}});
  const auto with_environment =
      resolve("npm run x", R"({"x":"NODE_ENV=production PORT=3001 exec next start"})").value();
  CHECK(with_environment.command == Words{"next", "start"});
  CHECK(with_environment.environment.at("PORT") == "3001");
  CHECK(resolve("npm start -- -p 3001", R"({"start":"next start"})")->command ==
        Words{"next", "start", "-p", "3001"});
  CHECK(resolve("pnpm start -p 3001", R"({"start":"next start"})")->command ==
        Words{"next", "start", "-p", "3001"});
}

TEST_CASE("what needs the wrapper says why", "[command_facts]") {
  const auto why = [](const Result<ResolvedScript>& result) {
    return result ? std::string{} : result.error().message;
  };
  using Catch::Contains;
  const std::string plain = R"({"start":"next start"})";
  CHECK_THAT(why(resolve("npm start", R"({"start":"a","prestart":"b"})")), Contains("prestart"));
  CHECK_THAT(why(resolve("npm start", R"({"start":"a","poststart":"b"})")), Contains("poststart"));
  CHECK_THAT(why(resolve("npm start", R"({"start":"a && b"})")), Contains("shell"));
  CHECK_THAT(why(resolve("npm start", R"({"start":"A=$B c"})")), Contains("shell"));
  CHECK_THAT(why(resolve("npm start", R"({"start":"A=b"})")), Contains("shell"));
  CHECK_THAT(why(resolve("npm start", "{}")), Contains("no script 'start'"));
  CHECK_THAT(why(resolve("npm start", plain, "x=y\nscript-shell = bash\n")),
             Contains("script-shell"));
  CHECK(why(resolve("npm start", plain, "; script-shell=bash\nloglevel=error")).empty());
  CHECK_THAT(why(resolve("npm start", plain, "", true)), Contains("Plug'n'Play"));
  CHECK_THAT(why(resolve("npm start -p 3001", plain)), Contains("npm's own"));
  CHECK_THAT(why(resolve("pnpm start -- -p 1", plain)), Contains("--"));
  CHECK_THAT(why(resolve_script(words("npm start"), "{", "", false)), Contains("JSON"));
  CHECK_THAT(why(resolve_script(words("npm start"), "[]", "", false)), Contains("object"));
  CHECK_THAT(why(resolve_script(words("npm start"), R"({"scripts":[1]})", "", false)),
             Contains("no script"));
  CHECK_THAT(why(resolve_script(words("node x"), "{}", "", false)), Contains("no package script"));
}

TEST_CASE("listen addresses", "[command_facts]") {
  CHECK(parse_listen_address("3000").value() == ListenAddress{"", 3000});
  CHECK(parse_listen_address("127.0.0.1:3000").value() == ListenAddress{"127.0.0.1", 3000});
  CHECK(parse_listen_address("[::]:3000").value() == ListenAddress{"::", 3000});
  for (const auto* text : {"", ":", ":3000", "::1:3000", "[]:1", "a:", "a:0", "a:65536", "a:-1",
                           "a b:1", "http://a:1", "3000x"}) {
    INFO(text);
    CHECK(parse_listen_address(text).has_error());
  }
}
