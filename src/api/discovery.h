// Discovery: the documents by which clients learn what there is (/api, /apis and below), made of
// the schema alone. Pure. Follows: kubernetes.io "API discovery", KEP-3352 (aggregated discovery).
#pragma once

#include <string>
#include <string_view>

#include "api/schema.h"

namespace orch::api {

// GET /api: APIVersions. `server_address` is host:port as clients reach this server.
std::string render_api_versions(std::string_view server_address);
// GET /apis: APIGroupList.
std::string render_api_group_list(const Schema& schema);
// GET /apis/{group}: APIGroup; "" when there is no such group.
std::string render_api_group(const Schema& schema, std::string_view group);
// GET /api/v1 and /apis/{group}/{version}: APIResourceList; "" when there is no such version.
std::string render_api_resource_list(const Schema& schema, std::string_view group,
                                     std::string_view version);
// GET /api (core) or /apis with Accept: application/json;g=apidiscovery.k8s.io;v=v2;
// as=APIGroupDiscoveryList. `version`: "v2" or "v2beta1".
std::string render_group_discovery_list(const Schema& schema, bool core, std::string_view version);

// Group-versions that have resources, in discovery order: {group, version}.
std::vector<std::pair<std::string, std::string>> served_versions(const Schema& schema);

}  // namespace orch::api
