#include "daemon/run/environment.hpp"

#include "daemon/model/instance_words.hpp"

namespace dixis {

Environment app_environment(const AppSpec& spec, const Credentials& credentials,
                            const Environment& from_files, const GenerationMark& mark) {
  Environment out;
  out["HOME"] = credentials.home;
  out["USER"] = credentials.user;
  out["LOGNAME"] = credentials.user;
  out["SHELL"] = credentials.shell;
  out["LANG"] = "C.UTF-8";
  for (const auto& [name, value] : from_files) out[name] = value;
  for (const auto& [name, value] : spec.env) out[name] = for_instance(value, mark.instance);
  std::string& path = out.try_emplace("PATH", kDefaultPath).first->second;
  for (auto directory = spec.path.rbegin(); directory != spec.path.rend(); ++directory) {
    path = *directory + ":" + path;
  }
  out["DIXIS_APP"] = spec.name;
  out["DIXIS_INSTANCE"] = std::to_string(mark.instance);
  out["NODE_APP_INSTANCE"] = out["DIXIS_INSTANCE"];
  out["DIXIS_TREE"] = mark.tree;
  return out;
}

std::vector<std::string> to_envp(const Environment& environment) {
  std::vector<std::string> out;
  out.reserve(environment.size());
  for (const auto& [name, value] : environment) out.push_back(name + "=" + value);
  return out;
}

}  // namespace dixis
