#include "server/apiserver/component_status.h"

#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"
#include "server/apiserver/options.h"
#include "server/apiserver/selection.h"

namespace orch::apiserver {
namespace {

store::RecordPtr record_of(const api::Resource& resource, const std::string& component) {
  const api::Value healthy =
      api::Value::object({{"type", "Healthy"}, {"status", "True"}, {"message", "ok"}});
  const Encoded encoded =
      encode_object(resource,
                    api::Value::object({{"kind", resource.kind},
                                        {"apiVersion", resource.api_version()},
                                        {"metadata", api::Value::object({{"name", component}})},
                                        {"conditions", api::Value::array({healthy})}}),
                    "");
  const std::string key = store_key(resource, "", component);
  store::Record::Parts parts;
  parts.key = key;
  parts.bytes = encoded.bytes;
  parts.revision_at = encoded.revision_at;
  return store::Record::make(parts, {});
}

}  // namespace

Result<http::Response> serve_component_status(const Target& target, const Presentation& form,
                                              const std::vector<std::string>& components,
                                              WallTime now) {
  const api::Resource& resource = *target.resource;
  const ReadOptions options = ORCH_TRY(parse_read_options(target.query, false));
  const Selection selection = ORCH_TRY(
      Selection::make(resource, "", target.name, options.label_selector, options.field_selector));
  std::vector<store::RecordPtr> records;
  for (const std::string& component : components) {
    if (!target.name.empty() && component != target.name) continue;
    if (auto record = record_of(resource, component); selection.matches(*record)) {
      records.push_back(std::move(record));
    }
  }
  if (target.verb == Verb::list) {
    return present_list(resource, api::Value::object(), records, form, now);
  }
  if (records.empty()) return not_found(ResourceName{"", resource.plural, target.name});
  return present_response(200, resource, records[0], records[0]->bytes, form, now);
}

}  // namespace orch::apiserver
