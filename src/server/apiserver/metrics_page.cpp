#include "server/apiserver/metrics_page.h"

#include "server/apiserver/keys.h"
#include "server/apiserver/metrics_text.h"
#include "server/apiserver/version.h"

namespace orch::apiserver {
namespace {

void append_load(std::string* out, const InFlight& in_flight) {
  constexpr std::string_view kInFlight = "apiserver_current_inflight_requests";
  append_family(out, kInFlight, "gauge", "Requests being worked on, by kind.");
  append_sample(out, kInFlight, labels({{"request_kind", "readOnly"}}), in_flight.read_only());
  append_sample(out, kInFlight, labels({{"request_kind", "mutating"}}), in_flight.mutating());
  append_sample(out, kInFlight, labels({{"request_kind", "system"}}), in_flight.in_system_lane());
}

void append_access(std::string* out, const ServerMetrics& server) {
  constexpr std::string_view kWho = "authentication_attempts",
                             kMay = "authorization_attempts_total";
  append_family(out, kWho, "counter", "Credentials that were shown, by what came of it.");
  append_sample(out, kWho, labels({{"result", "success"}}),
                static_cast<double>(server.authenticated));
  append_sample(out, kWho, labels({{"result", "failure"}}),
                static_cast<double>(server.not_authenticated));
  append_family(out, kMay, "counter", "Requests by whether they were allowed.");
  append_sample(out, kMay, labels({{"result", "allowed"}}), static_cast<double>(server.allowed));
  append_sample(out, kMay, labels({{"result", "denied"}}), static_cast<double>(server.denied));
}

void append_store(std::string* out, const MetricParts& parts) {
  constexpr std::string_view kObjects = "apiserver_storage_objects";
  append_family(out, kObjects, "gauge", "Objects that are stored, by resource.");
  for (const api::Resource* resource : parts.schema.resources()) {
    if (resource->storage_prefix.empty() || resource->storage != nullptr) continue;
    std::string name = resource->plural;
    if (!resource->group.empty()) name += "." + resource->group;
    append_sample(out, kObjects, labels({{"resource", name}}),
                  static_cast<double>(parts.store.count(store_prefix(*resource, ""))));
  }
  const std::string took = "etcd_request_duration_seconds";
  append_family(out, took, "histogram", "Time until a write was durable.");
  const auto append = [&](std::string_view operation, const Histogram& histogram) {
    append_histogram(out, took, labels({{"operation", operation}, {"type", "*"}}), histogram);
  };
  append("create", parts.server.store_creates);
  append("update", parts.server.store_updates);
  append("delete", parts.server.store_deletes);
}

void append_calls(std::string* out, const ServerMetrics& server) {
  constexpr std::string_view kCalls = "rest_client_requests_total";
  append_family(out, kCalls, "counter", "Calls of the loops in this process.");
  const auto append = [&](std::string_view method, const CodeCounts& counts) {
    counts.append(out, kCalls, labels({{"host", "in-process"}, {"method", method}}));
  };
  append("GET", server.calls.get);
  append("POST", server.calls.post);
  append("PUT", server.calls.put);
  append("PATCH", server.calls.patch);
  append("DELETE", server.calls.remove);
}

void append_audit(std::string* out, const audit::Log& log) {
  append_single(out, "apiserver_audit_event_total", "counter", "Audit events.",
                static_cast<double>(log.written()));
  constexpr std::string_view kLost = "apiserver_audit_error_total";
  append_family(out, kLost, "counter", "Audit events that were lost.");
  append_sample(out, kLost, labels({{"plugin", "log"}}), static_cast<double>(log.dropped()));
}

void append_build(std::string* out) {
  constexpr std::string_view kBuild = "kubernetes_build_info";
  append_family(out, kBuild, "gauge", "What this is.");
  append_sample(out, kBuild,
                labels({{"major", kMajorVersion},
                        {"minor", kMinorVersion},
                        {"git_version", kGitVersion},
                        {"compiler", "g++"},
                        {"platform", "linux/amd64"}}),
                1);
}

}  // namespace

// The handle holds the lock while it takes the source away, so nobody is in it afterwards.
std::shared_ptr<void> MetricSources::add(Append append) {
  const std::lock_guard lock(state_->mutex);
  const auto at = state_->sources.insert(state_->sources.end(), std::move(append));
  return {nullptr, [state = state_, at](void*) {
            const std::lock_guard locked(state->mutex);
            state->sources.erase(at);
          }};
}

void MetricSources::render(std::string* out) const {
  const std::lock_guard lock(state_->mutex);
  for (const Append& append : state_->sources) append(out);
}

std::string render_metrics_page(const MetricParts& parts) {
  std::string out;
  parts.server.requests.render(&out);
  parts.server.watches.render(&out);
  append_load(&out, parts.in_flight);
  append_access(&out, parts.server);
  append_store(&out, parts);
  append_calls(&out, parts.server);
  if (parts.audit) append_audit(&out, *parts.audit->log);
  parts.others.render(&out);
  append_build(&out);
  append_process_metrics(&out);
  return out;
}

}  // namespace orch::apiserver
