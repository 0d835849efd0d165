// route: what a request asks for, by its method and target alone. PURE.
//
//   GET /api/v1/namespaces/default/pods?limit=5  →  list of pods in "default"
//
// Paths follow Kubernetes' API conventions. Whatever isn't a resource's (discovery, health, the
// openapi documents) comes out as a Target without resource, to be found by its path.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/schema.h"
#include "base/result.h"

namespace orch::apiserver {

inline constexpr size_t kMaxTargetBytes = 16u << 10;
inline constexpr size_t kMaxPathSegments = 64;
inline constexpr size_t kMaxQueryParameters = 256;

enum class Verb { get, list, watch, create, update, patch, remove, remove_collection };

// As authorization and messages spell it: "delete", "deletecollection".
std::string_view verb_name(Verb verb);

// The query string, decoded, in order.
class Query {
 public:
  static Result<Query> parse(std::string_view text);

  bool has(std::string_view name) const;
  std::string_view get(std::string_view name) const;  // The first one, or "".
  std::vector<std::string> all(std::string_view name) const;
  // "true" and "1" (and a bare name) are true, as Kubernetes reads booleans.
  bool flag(std::string_view name) const;

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

struct Target {
  const api::Resource* resource = nullptr;        // Null: `path` is not one of a resource's.
  const api::Subresource* subresource = nullptr;  // Null: the resource itself.
  std::string ns;                                 // "" = cluster scope, or all namespaces.
  std::string name;                               // "" = the collection.
  Verb verb = Verb::get;
  std::string path;        // Decoded, without the query.
  std::string proxy_path;  // What follows ".../proxy", still encoded; "" or "/...".
  std::string raw_query;   // Still encoded, without "?".
  Query query;
  std::string selected_name;  // The one name that a list, by its fieldSelector, is about.

  std::string_view subresource_name() const {
    return subresource ? std::string_view(subresource->name) : std::string_view();
  }
};

// 404 (with reason "") for a path that leads nowhere, 405 for a method that it doesn't have, 400
// for a target that can't be read.
Result<Target> route(const api::Schema& schema, std::string_view method, std::string_view target);

}  // namespace orch::apiserver
