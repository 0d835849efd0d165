#include "server/rbac/rules.h"

#include <algorithm>
#include <utility>

namespace orch::rbac {
namespace {

using Texts = std::vector<std::string>;

constexpr std::string_view kAll = "*";

bool has(const Texts& texts, std::string_view one) {
  return std::find(texts.begin(), texts.end(), one) != texts.end();
}

bool has_or_all(const Texts& texts, std::string_view one) {
  return has(texts, kAll) || has(texts, one);
}

// pods, pods/log, */log, *: `*` alone means subresources, too.
bool names_resource(const Texts& resources, std::string_view resource,
                    std::string_view subresource) {
  for (const std::string_view entry : resources) {
    if (entry == kAll) return true;
    const size_t slash = entry.find('/');
    const std::string_view part = slash == entry.npos ? "" : entry.substr(slash + 1);
    const std::string_view whole = entry.substr(0, slash);
    if (part != subresource) continue;
    if (whole == resource || (whole == kAll && !part.empty())) return true;
  }
  return false;
}

// A `*` at the end stands for any rest.
bool names_path(const Texts& urls, std::string_view path) {
  return std::any_of(urls.begin(), urls.end(), [&](std::string_view url) {
    if (url == path) return true;
    return url.ends_with('*') && path.starts_with(url.substr(0, url.size() - 1));
  });
}

Texts texts_of(const api::Value& list) {
  Texts texts;
  for (const api::Value& item : list.items()) {
    if (item.is_string()) texts.push_back(item.as_string());
  }
  return texts;
}

std::string quoted(const Texts& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ' ';
    api::append_json_string(&out, text);
  }
  return out + "]";
}

api::Value list_of(const Texts& texts) {
  api::Value list = api::Value::array();
  for (const std::string& text : texts) list.push_back(text);
  return list;
}

// A rule that says one thing only.
bool covers(const Rule& held, const Rule& one) {
  if (!has_or_all(held.verbs, one.verbs.front())) return false;
  if (!one.urls.empty()) return names_path(held.urls, one.urls.front());
  if (held.resources.empty() || !has_or_all(held.groups, one.groups.front())) return false;
  const std::string_view entry = one.resources.front();
  const size_t slash = entry.find('/');
  const bool all = entry == kAll;
  if (all && !has(held.resources, kAll)) return false;
  const std::string_view part = slash == entry.npos ? "" : entry.substr(slash + 1);
  if (!all && !names_resource(held.resources, entry.substr(0, slash), part)) return false;
  if (held.names.empty()) return true;
  return !one.names.empty() && has(held.names, one.names.front());
}

Rules broken_down(const Rule& rule) {
  Rules parts;
  const Texts no_name = {""};
  for (const std::string& verb : rule.verbs) {
    for (const std::string& url : rule.urls) parts.push_back({{verb}, {}, {}, {}, {url}});
    for (const std::string& group : rule.groups) {
      for (const std::string& resource : rule.resources) {
        for (const std::string& name : rule.names.empty() ? no_name : rule.names) {
          parts.push_back({{verb}, {group}, {resource}, {}, {}});
          if (!rule.names.empty()) parts.back().names = {name};
        }
      }
    }
  }
  return parts;
}

}  // namespace

bool Rule::allows(const Action& action) const {
  if (!has_or_all(verbs, action.verb)) return false;
  if (!action.path.empty()) return names_path(urls, action.path);
  if (!has_or_all(groups, action.group)) return false;
  if (!names_resource(resources, action.resource, action.subresource)) return false;
  return names.empty() || has(names, action.name);
}

std::string Rule::to_text() const {
  std::string out;
  const std::pair<const char*, const Texts*> parts[] = {{"APIGroups", &groups},
                                                        {"Resources", &resources},
                                                        {"NonResourceURLs", &urls},
                                                        {"ResourceNames", &names},
                                                        {"Verbs", &verbs}};
  for (const auto& [name, texts] : parts) {
    if (texts->empty()) continue;
    if (!out.empty()) out += ", ";
    out += name + (":" + quoted(*texts));
  }
  return "{" + out + "}";
}

api::Value Rule::to_value() const {
  api::Value value = api::Value::object({{"verbs", list_of(verbs)}});
  if (!groups.empty()) value.set("apiGroups", list_of(groups));
  if (!resources.empty()) value.set("resources", list_of(resources));
  if (!names.empty()) value.set("resourceNames", list_of(names));
  if (!urls.empty()) value.set("nonResourceURLs", list_of(urls));
  return value;
}

Rules parse_rules(const api::Value& rules) {
  Rules parsed;
  for (const api::Value& rule : rules.items()) {
    parsed.push_back({texts_of(rule["verbs"]), texts_of(rule["apiGroups"]),
                      texts_of(rule["resources"]), texts_of(rule["resourceNames"]),
                      texts_of(rule["nonResourceURLs"])});
  }
  return parsed;
}

// Verbs on the same thing come together again, as a reader would have written them.
Rules uncovered(const Rules& held, const Rules& wanted) {
  Rules missing;
  for (const Rule& rule : wanted) {
    for (Rule& part : broken_down(rule)) {
      const auto holds = [&](const Rule& each) { return covers(each, part); };
      if (std::any_of(held.begin(), held.end(), holds)) continue;
      const auto same = std::find_if(missing.begin(), missing.end(), [&](const Rule& each) {
        return each.groups == part.groups && each.resources == part.resources &&
               each.names == part.names && each.urls == part.urls;
      });
      if (same == missing.end()) {
        missing.push_back(std::move(part));
      } else if (!has(same->verbs, part.verbs.front())) {
        same->verbs.push_back(std::move(part.verbs.front()));
      }
    }
  }
  return missing;
}

}  // namespace orch::rbac
