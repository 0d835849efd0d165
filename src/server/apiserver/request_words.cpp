#include "server/apiserver/request_words.h"

#include <span>
#include <vector>

#include "base/strings.h"

namespace orch::apiserver {
namespace {

using Parts = std::span<const std::string_view>;

std::string verb_of(std::string_view method) {
  if (method == "GET" || method == "HEAD") return "get";
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  return method == "DELETE" ? "delete" : "";
}

std::string_view take(Parts* parts) {
  const std::string_view first = parts->front();
  *parts = parts->subspan(1);
  return first;
}

// The parts behind /api or /apis/<group>, from the version on.
void read_place(Parts parts, RequestWords* words) {
  take(&parts);
  const bool watches = parts.size() > 1 && parts[0] == "watch";
  if (watches) take(&parts);
  if (parts.size() > 1 && parts[0] == "namespaces") {
    words->ns = parts[1];
    if (parts.size() > 2 && parts[2] != "status" && parts[2] != "finalize") {
      parts = parts.subspan(2);
    }
  }
  words->resource = parts[0];
  if (parts.size() > 1) words->name = parts[1];
  if (parts.size() > 2) words->subresource = parts[2];
  if (watches) words->verb = "watch";
}

}  // namespace

Action RequestWords::action() const {
  Action action;
  action.verb = verb;
  action.group = group;
  action.resource = resource;
  action.subresource = subresource;
  action.ns = ns;
  action.name = name;
  action.path = path;
  return action;
}

RequestWords words_of(std::string_view method, std::string_view target) {
  RequestWords words;
  const size_t question = target.find('?');
  const std::string_view raw = target.substr(0, question);
  const std::string path = percent_decode(raw).value_or(std::string(raw));
  std::string_view inner = path;
  while (inner.starts_with('/')) inner.remove_prefix(1);
  while (inner.ends_with('/')) inner.remove_suffix(1);
  const std::vector<std::string_view> all = split(inner, '/');
  Parts parts = all;
  const bool core = parts.size() >= 3 && parts[0] == "api";
  const bool grouped = parts.size() >= 4 && parts[0] == "apis";
  if (!core && !grouped) {
    words.path = path;
    words.verb = to_lower(method);
    return words;
  }
  take(&parts);
  if (grouped) words.group = take(&parts);
  words.verb = verb_of(method);
  read_place(parts, &words);
  if (!words.name.empty()) return words;
  if (words.verb == "delete") words.verb = "deletecollection";
  if (words.verb != "get") return words;
  const auto query =
      Query::parse(question == target.npos ? std::string_view() : target.substr(question + 1));
  words.verb = query && query->flag("watch") ? "watch" : "list";
  return words;
}

}  // namespace orch::apiserver
