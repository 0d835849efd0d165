// The order of the steps is the order of a path's parts: prefix, version, namespace, resource,
// name, subresource.
#include "server/apiserver/route.h"

#include "api/selector.h"
#include "base/strings.h"

namespace orch::apiserver {
namespace {

// The words of a Go server for a path that it doesn't know; kubectl turns them into "the server
// could not find the requested resource".
Status unknown_path() {
  Status status = not_found("404 page not found");
  status.reason.clear();
  return status;
}

// The words for a path below a group that is there.
Status unknown_resource() { return not_found("the server could not find the requested resource"); }

Status wrong_method() {
  return method_not_allowed("the server does not allow this method on the requested resource");
}

// One path segment may hold no separator, no control character and no way up.
Result<std::string> decode_segment(std::string_view raw) {
  auto text = percent_decode(raw);
  if (!text) return bad_request("the path has a malformed percent-encoding");
  if (*text == "." || *text == "..") return unknown_path();
  for (const unsigned char c : *text) {
    if (c == '/' || c < 0x20 || c == 0x7f) return unknown_path();
  }
  return std::move(*text);
}

struct Path {
  std::vector<std::string> segments;
  std::vector<size_t> ends;  // Where each segment ends in the raw path.
};

Result<Path> split_path(std::string_view raw) {
  if (raw.empty() || raw.front() != '/') return bad_request("the path must begin with /");
  Path path;
  size_t at = 1;
  while (at < raw.size()) {
    const size_t end = std::min(raw.find('/', at), raw.size());
    if (path.segments.size() == kMaxPathSegments) return unknown_path();
    path.segments.push_back(ORCH_TRY(decode_segment(raw.substr(at, end - at))));
    path.ends.push_back(end);
    at = end + 1;
  }
  return path;
}

std::string joined(const Path& path) { return "/" + join(path.segments, "/"); }

// What is proxied has every method of HTTP. OPTIONS is like none of the verbs: see action_of().
Result<Verb> proxied_verb(std::string_view method) {
  if (method == "GET" || method == "HEAD" || method == "OPTIONS") return Verb::get;
  if (method == "POST") return Verb::create;
  if (method == "PUT") return Verb::update;
  if (method == "PATCH") return Verb::patch;
  if (method == "DELETE") return Verb::remove;
  return wrong_method();
}

Result<Verb> verb_of(std::string_view method, const Target& target) {
  if (target.subresource_name() == "proxy") return proxied_verb(method);
  const bool collection = target.name.empty();
  if (method == "GET" || method == "HEAD") {
    if (!collection) return Verb::get;
    return target.query.flag("watch") ? Verb::watch : Verb::list;
  }
  if (method == "POST") {
    if (collection || target.subresource) return Verb::create;
    return wrong_method();
  }
  if (method == "DELETE") return collection ? Verb::remove_collection : Verb::remove;
  if (method == "PUT" && !collection) return Verb::update;
  if (method == "PATCH" && !collection) return Verb::patch;
  return wrong_method();
}

bool has_group(const api::Schema& schema, std::string_view group) {
  for (const api::Resource* resource : schema.resources()) {
    if (resource->group == group) return true;
  }
  return false;
}

bool is_mutation(Verb verb) {
  return verb != Verb::get && verb != Verb::list && verb != Verb::watch;
}

bool verb_served(const Target& target) {
  const std::string_view name = verb_name(target.verb);
  if (!target.subresource) return target.resource->has_verb(name);
  for (const std::string& verb : target.subresource->verbs) {
    if (verb == name) return true;
  }
  return false;
}

// The parts behind /api/v1 or /apis/<group>/<version>.
Result<void> find_resource(const api::Schema& schema, const Path& path, size_t at,
                           std::string_view group, std::string_view version,
                           std::string_view raw_path, Target* target) {
  const auto& parts = path.segments;
  if (parts.size() >= at + 3 && parts[at] == "namespaces" && parts[at + 2] != "status" &&
      parts[at + 2] != "finalize") {
    target->ns = parts[at + 1];
    if (target->ns.empty()) return unknown_resource();
    at += 2;
  }
  target->resource = schema.find(group, version, parts[at]);
  if (!target->resource) return unknown_resource();
  // A cluster-scoped resource has no path below a namespace.
  if (!target->ns.empty() && !target->resource->namespaced) return unknown_resource();
  if (++at == parts.size()) return {};

  target->name = parts[at];
  if (target->name.empty()) return unknown_resource();
  if (target->resource->namespaced && target->ns.empty()) return unknown_resource();
  if (++at == parts.size()) return {};

  target->subresource = target->resource->find_subresource(parts[at]);
  if (!target->subresource) return unknown_resource();
  if (at + 1 == parts.size() && path.ends[at] == raw_path.size()) return {};
  if (parts[at] != "proxy") return unknown_resource();
  target->proxy_path = raw_path.substr(path.ends[at]);
  return {};
}

// As Selection narrows a collection to one key: by the first such requirement.
std::string selected_name(const Target& target) {
  const bool collection = target.verb == Verb::list || target.verb == Verb::watch ||
                          target.verb == Verb::remove_collection;
  if (!collection || !target.name.empty() || !target.query.has("fieldSelector")) return "";
  const auto fields = api::FieldSelector::parse(target.query.get("fieldSelector"));
  if (!fields) return "";
  for (const auto& one : fields->requirements()) {
    if (one.equal && one.path == "metadata.name") return one.value;
  }
  return "";
}

}  // namespace

std::string_view verb_name(Verb verb) {
  switch (verb) {
    case Verb::get:
      return "get";
    case Verb::list:
      return "list";
    case Verb::watch:
      return "watch";
    case Verb::create:
      return "create";
    case Verb::update:
      return "update";
    case Verb::patch:
      return "patch";
    case Verb::remove:
      return "delete";
    case Verb::remove_collection:
      return "deletecollection";
  }
  return "";
}

Result<Query> Query::parse(std::string_view text) {
  Query query;
  if (text.empty()) return query;
  for (const std::string_view part : split(text, '&')) {
    if (part.empty()) continue;
    if (query.parameters_.size() == kMaxQueryParameters) {
      return bad_request("the query has too many parameters");
    }
    const size_t equals = part.find('=');
    auto name = percent_decode(part.substr(0, equals), true);
    auto value = equals == std::string_view::npos ? std::optional<std::string>("")
                                                  : percent_decode(part.substr(equals + 1), true);
    if (!name || !value || !valid_utf8(*value)) {
      return bad_request("the query has a malformed percent-encoding");
    }
    query.parameters_.emplace_back(std::move(*name), std::move(*value));
  }
  return query;
}

bool Query::has(std::string_view name) const {
  for (const auto& [key, value] : parameters_) {
    if (key == name) return true;
  }
  return false;
}

std::string_view Query::get(std::string_view name) const {
  for (const auto& [key, value] : parameters_) {
    if (key == name) return value;
  }
  return "";
}

std::vector<std::string> Query::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : parameters_) {
    if (key == name) values.push_back(value);
  }
  return values;
}

bool Query::flag(std::string_view name) const {
  if (!has(name)) return false;
  const std::string_view value = get(name);
  return value != "false" && value != "0" && value != "False" && value != "FALSE";
}

Result<Target> route(const api::Schema& schema, std::string_view method, std::string_view raw) {
  if (raw.size() > kMaxTargetBytes) return bad_request("the request target is too long");
  const size_t question = raw.find('?');
  const std::string_view raw_path = raw.substr(0, question);

  Target target;
  if (question != std::string_view::npos) target.raw_query = raw.substr(question + 1);
  target.query = ORCH_TRY(Query::parse(target.raw_query));
  const Path path = ORCH_TRY(split_path(raw_path));
  target.path = joined(path);

  const auto& parts = path.segments;
  const bool core = !parts.empty() && parts[0] == "api" && parts.size() >= 3;
  const bool grouped = !parts.empty() && parts[0] == "apis" && parts.size() >= 4;
  if (!core && !grouped) return target;

  if (grouped && !has_group(schema, parts[1])) return unknown_path();
  size_t at = core ? 2 : 3;
  const std::string& version = parts[at - 1];
  // The way to watch before ?watch=true; clients of old still take it.
  const bool legacy_watch = parts[at] == "watch" && parts.size() > at + 1;
  if (legacy_watch) ++at;
  ORCH_TRY(find_resource(schema, path, at, core ? "" : parts[1], version, raw_path, &target));
  target.verb = ORCH_TRY(verb_of(method, target));
  if (legacy_watch) {
    if (target.subresource) return unknown_resource();
    if (is_mutation(target.verb)) return wrong_method();
    target.verb = Verb::watch;
  }
  if (!verb_served(target)) return wrong_method();
  target.selected_name = selected_name(target);
  const bool everywhere = target.ns.empty() && target.resource->namespaced;
  if (everywhere && (target.verb == Verb::create || target.verb == Verb::remove_collection)) {
    return wrong_method();
  }
  return target;
}

}  // namespace orch::apiserver
