#include "server/admission/pod_security_words.h"

namespace orch::admission {

std::string quoted(const Texts& texts) {
  std::string out;
  for (const std::string& text : texts) {
    if (!out.empty()) out += ", ";
    api::append_json_string(&out, text);
  }
  return out;
}

std::string quoted(const std::set<std::string>& texts) {
  return quoted(Texts(texts.begin(), texts.end()));
}

std::string some(std::string_view one, std::string_view many, size_t count) {
  return std::string(count == 1 ? one : many);
}

std::string named_containers(const Texts& names) {
  return some("container ", "containers ", names.size()) + quoted(names);
}

std::string setters(bool pod, const Texts& names) {
  std::string text = pod ? "pod" : "";
  if (pod && !names.empty()) text += " and ";
  return names.empty() ? text : text + named_containers(names);
}

}  // namespace orch::admission
