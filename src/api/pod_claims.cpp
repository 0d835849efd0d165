// A pod's claims of devices (KEP-4381), and its containers' references to them.
#include <set>
#include <string>

#include "api/names.h"
#include "api/pod_spec.h"
#include "base/strings.h"

namespace orch::api {
namespace {

void validate_claim(const Value& claim, const std::string& path, std::set<std::string>* names,
                    Causes* causes) {
  const Value& name = claim["name"];
  if (name.empty()) {
    add_required(causes, at(path, "name"));
  } else if (!names->insert(name.as_string()).second) {
    add_duplicate(causes, at(path, "name"), name);
  } else {
    add_problems(causes, at(path, "name"), name, dns_label_problems(name.as_string()));
  }
  const Value& own = claim["resourceClaimName"];
  const Value& made = claim["resourceClaimTemplateName"];
  if (!own.is_null() && !made.is_null()) {
    add_invalid(causes, path, claim,
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be "
                "specified");
  } else if (own.is_null() && made.is_null()) {
    add_invalid(causes, path, claim,
                "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`");
  }
  for (const char* field : {"resourceClaimName", "resourceClaimTemplateName"}) {
    if (claim[field].is_null()) continue;
    add_problems(causes, at(path, field), claim[field],
                 dns_subdomain_problems(claim[field].as_string()));
  }
}

void validate_references(const Value& references, const std::string& path,
                         const std::set<std::string>& claims, Causes* causes) {
  std::set<std::string> seen;
  for (size_t i = 0; i < references.size(); ++i) {
    const std::string here = at(path, i);
    const Value& name = references[i]["name"];
    if (name.empty()) {
      add_required(causes, here);
      continue;
    }
    const std::string& request = references[i]["request"].as_string();
    const std::string key = name.as_string() + (request.empty() ? "" : "/" + request);
    if (!seen.insert(key).second) add_duplicate(causes, here, key);
    if (claims.contains(name.as_string())) continue;
    add_not_found(causes, here, name);
    causes->back().message +=
        ": must be one of the names in pod.spec.resourceClaims" +
        (claims.empty()
             ? std::string(" which is empty")
             : ": " + join(std::vector<std::string>(claims.begin(), claims.end()), ", "));
  }
}

}  // namespace

void validate_resource_claims(const Value& spec, const std::string& path, Causes* causes) {
  std::set<std::string> names;
  const Value& claims = spec["resourceClaims"];
  for (size_t i = 0; i < claims.size(); ++i) {
    validate_claim(claims[i], at(at(path, "resourceClaims"), i), &names, causes);
  }
  for (const char* list : {"containers", "initContainers"}) {
    const Value& containers = spec[list];
    for (size_t i = 0; i < containers.size(); ++i) {
      validate_references(containers[i].at("resources.claims"),
                          at(at(at(path, list), i), "resources.claims"), names, causes);
    }
  }
}

}  // namespace orch::api
