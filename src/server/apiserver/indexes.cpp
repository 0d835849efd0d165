#include "server/apiserver/indexes.h"

#include "api/resources.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"

namespace orch::apiserver {
namespace {

using store::Event;
using store::EventType;

api::Value object_of(const store::RecordPtr& record) {
  return record ? decode_stored(record->bytes) : api::Value();
}

std::string_view node_of(const store::RecordPtr& pod) {
  return pod ? pod->tags.field("spec.nodeName").value_or("") : std::string_view();
}

// A pod's references stand when it is bound; only a debugging container may bring more.
bool may_refer_anew(const Event& event) {
  const std::string_view node = node_of(event.record);
  if (node != node_of(event.previous)) return true;
  if (node.empty()) return false;
  return event.record->tags.uid() != event.previous->tags.uid() ||
         event.record->bytes.find("\"ephemeralContainers\"") != std::string_view::npos;
}

void follow_pod(const KeyParts& name, const Event& event, NodeGraph* nodes) {
  if (event.type == EventType::remove) {
    if (!node_of(event.record).empty()) nodes->forget_pod(name.ns, name.name);
  } else if (may_refer_anew(event)) {
    nodes->take_pod(object_of(event.record));
  }
}

void follow_volume(const KeyParts& name, const Event& event, NodeGraph* nodes) {
  if (event.type == EventType::remove) return nodes->forget_volume(std::string(name.name));
  nodes->take_volume(object_of(event.record));
}

void follow_service(const Event& event, ServiceAllocator* services) {
  const bool removed = event.type == EventType::remove;
  services->settle(object_of(event.previous), removed ? api::Value() : object_of(event.record));
}

void follow_role(const api::Resource& resource, const KeyParts& name, const Event& event,
                 rbac::Policy* policy) {
  if (event.type == EventType::remove) return policy->forget(resource, name.ns, name.name);
  policy->take(resource, object_of(event.record));
}

// The kinds that are followed, by the folders that they lie in.
struct Followed {
  const api::Resource* resource;
  std::string folder;
};

const std::vector<Followed>& followed() {
  static const std::vector<Followed> all = [] {
    std::vector<Followed> list;
    const auto add = [&](const api::Resource& each) {
      list.push_back({&each, store_prefix(each, "")});
    };
    add(api::resource::pods());
    add(api::resource::services());
    add(api::resource::persistent_volumes());
    for (const api::Resource* each : api::Schema::builtin().resources()) {
      if (rbac::Policy::is_fed_by(*each)) add(*each);
    }
    return list;
  }();
  return all;
}

}  // namespace

void Indexes::follow(std::span<const Event> events) {
  for (const Event& event : events) {
    for (const auto& [resource, folder] : followed()) {
      if (!event.record->key.starts_with(folder)) continue;
      const KeyParts name = key_parts(*resource, event.record->key);
      if (resource == &api::resource::pods()) {
        follow_pod(name, event, &nodes);
      } else if (resource == &api::resource::services()) {
        follow_service(event, &services);
      } else if (resource == &api::resource::persistent_volumes()) {
        follow_volume(name, event, &nodes);
      } else {
        follow_role(*resource, name, event, &policy);
      }
      break;
    }
  }
}

}  // namespace orch::apiserver
