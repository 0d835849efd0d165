#include "server/apiserver/metrics_page.h"

#include "server/apiserver/keys.h"

namespace orch::apiserver {

std::string render_metrics_page(const RequestMetrics& requests, const InFlight& in_flight,
                                const store::Store& store, const api::Schema& schema) {
  std::string out;
  requests.render(&out);
  constexpr std::string_view kInFlight = "apiserver_current_inflight_requests";
  append_family(&out, kInFlight, "gauge", "Requests being worked on, by kind.");
  append_sample(&out, kInFlight, "request_kind=\"readOnly\"", in_flight.read_only());
  append_sample(&out, kInFlight, "request_kind=\"mutating\"", in_flight.mutating());
  constexpr std::string_view kLong = "apiserver_longrunning_requests";
  append_family(&out, kLong, "gauge", "Watches, logs and upgraded connections that go on.");
  append_sample(&out, kLong, "", in_flight.long_running());
  constexpr std::string_view kObjects = "apiserver_storage_objects";
  append_family(&out, kObjects, "gauge", "Objects that are stored, by resource.");
  for (const api::Resource* resource : schema.resources()) {
    if (resource->storage_prefix.empty() || resource->storage != nullptr) continue;
    std::string name = resource->plural;
    if (!resource->group.empty()) name += "." + resource->group;
    append_sample(&out, kObjects, "resource=\"" + name + "\"",
                  static_cast<double>(store.count(store_prefix(*resource, ""))));
  }
  append_process_metrics(&out);
  return out;
}

}  // namespace orch::apiserver
