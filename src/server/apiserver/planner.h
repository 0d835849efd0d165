// planner: one attempt at one write, thought out over what the store holds at this moment. The
// steps are the same for every kind (api/strategy.h has what differs):
//
//   create:  decode → default → prepare → admit → validate → allocate → encode
//   update:  read → merge → decode → default → prepare → admit → validate → allocate → encode
//   delete:  read → preconditions → mark or take away
//
// Reads the store and reserves addresses; writes nothing. Thread-safe.
#pragma once

#include "api/apply.h"
#include "base/clock.h"
#include "server/apiserver/admission.h"
#include "server/apiserver/authorize.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/quotas.h"
#include "server/apiserver/service_allocator.h"
#include "server/apiserver/write.h"
#include "store/store.h"

namespace orch::apiserver {

class Planner {
 public:
  struct Parts {
    store::Store& store;
    const Admission& admission;
    const Authorizer& authorizer;
    rbac::Policy& policy;  // Kept at what the store holds.
    const Quotas& quotas;
    ServiceAllocator& services;
    Clock& clock;
    Random& random;
  };
  explicit Planner(Parts parts) : parts_(parts) {}

  // Takes the body of a new object out of the request, unless a second attempt may need it.
  Result<Plan> plan(WriteRequest& request) const;

 private:
  // What a write to an existing object starts from.
  struct Current {
    store::RecordPtr record;
    api::Value object;        // Without managedFields, which few steps need as a value; ...
    std::string_view owners;  // ... this is their JSON, a part of the record's.
  };
  Result<Current> read(const WriteRequest& request) const;

  Result<Plan> plan_create(const WriteRequest& request, api::Value body) const;
  Result<Plan> plan_update(const WriteRequest& request) const;
  Result<Plan> plan_remove(const WriteRequest& request, const DeleteOptions& options) const;
  Result<Plan> plan_binding(const WriteRequest& request) const;
  Result<Plan> plan_eviction(const WriteRequest& request) const;
  // The write to the pod's disruption budget that goes before its eviction, if any must.
  Result<std::optional<Plan>> plan_budget(const WriteRequest& request) const;
  Result<Plan> plan_scale(const WriteRequest& request) const;

  // From a whole new document to a plan. Its resourceVersion, when set, is a condition.
  Result<Plan> plan_replace(const WriteRequest& request, const Current& current,
                            api::Value document) const;
  // From the request's version to the stored one. `live` is what stands there, or null.
  Result<api::Value> decode(const WriteRequest& request, api::Value document,
                            const api::Value& live, Plan* plan) const;
  api::Writer writer(const WriteRequest& request, const std::string& now) const;
  Result<api::Value> applied(const WriteRequest& request, const api::Value& live) const;
  Result<api::Value> patched(const WriteRequest& request, const Current& current) const;
  std::string track_owners(const WriteRequest& request, const api::Value& live,
                           std::string_view owners, api::Value* object) const;
  Result<void> allocate(const WriteRequest& request, api::Value* object, const api::Value& old,
                        Plan* plan) const;
  // The last step: from the new state, and its managedFields unless it has them in it, to bytes, or
  // to "nothing changed".
  void finish(const WriteRequest& request, api::Value object, std::string_view owners,
              const store::RecordPtr& current, Plan* plan) const;
  void finish_removal(const WriteRequest& request, const store::RecordPtr& current,
                      Plan* plan) const;

  Parts parts_;
};

// The fields of metadata and the kind that must agree with the URL (400 otherwise). PURE.
Result<void> check_identity(const WriteRequest& request, const api::Value& document);

}  // namespace orch::apiserver
