#include <filesystem>

#include "ctl/verbs/verbs.hpp"

namespace dixis::ctl {

Answer<std::string> absolute_path(const std::string& path) {
  std::error_code error;
  const auto full = std::filesystem::absolute(path, error);
  if (error) {
    return Failure{Trouble::refused, "cannot make " + path + " absolute: " + error.message(),
                   "name it with its full path"};
  }
  std::string text = full.lexically_normal().string();
  if (text.size() > 1 && text.ends_with('/')) text.pop_back();  // "." leaves one behind
  return text;
}

}  // namespace dixis::ctl
