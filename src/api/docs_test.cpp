// The sentences of src/api/docs: which fields must have one, and that none is of a field that
// isn't.
#include "api/docs.h"

#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>

using namespace orch;
using namespace orch::api;

namespace {

// What users meet daily, and what every object and answer carries.
constexpr const char* kDailyTypes[] = {"core/v1.Pod",
                                       "core/v1.Service",
                                       "core/v1.Endpoints",
                                       "core/v1.ConfigMap",
                                       "core/v1.Secret",
                                       "core/v1.ServiceAccount",
                                       "core/v1.Namespace",
                                       "core/v1.Node",
                                       "core/v1.Event",
                                       "core/v1.PersistentVolume",
                                       "core/v1.PersistentVolumeClaim",
                                       "core/v1.ResourceQuota",
                                       "core/v1.LimitRange",
                                       "apps/v1.Deployment",
                                       "apps/v1.ReplicaSet",
                                       "apps/v1.StatefulSet",
                                       "apps/v1.DaemonSet",
                                       "batch/v1.Job",
                                       "batch/v1.CronJob",
                                       "discovery/v1.EndpointSlice",
                                       "events/v1.Event",
                                       "storage/v1.StorageClass",
                                       "networking/v1.Ingress",
                                       "networking/v1.IngressClass",
                                       "networking/v1.NetworkPolicy",
                                       "autoscaling/v2.HorizontalPodAutoscaler",
                                       "policy/v1.PodDisruptionBudget",
                                       "rbac/v1.Role",
                                       "rbac/v1.ClusterRole",
                                       "rbac/v1.RoleBinding",
                                       "rbac/v1.ClusterRoleBinding",
                                       "scheduling/v1.PriorityClass",
                                       "node/v1.RuntimeClass",
                                       "coordination/v1.Lease",
                                       "meta/v1.ObjectMeta",
                                       "meta/v1.ListMeta",
                                       "meta/v1.Status"};

const Type* type_of_value(const Field& field) {
  const Field* value = &field;
  while (value->element != nullptr) value = value->element.get();
  return value->type;
}

void add_with_parts(const Type* type, std::set<const Type*>* types) {
  if (type == nullptr || !types->insert(type).second) return;
  for (const Field& field : type->fields) add_with_parts(type_of_value(field), types);
}

// The same of every kind, so that one sentence for all is the right one.
bool is_common(const Type& type, const Field& field) {
  return type.top_level &&
         (field.name == "apiVersion" || field.name == "kind" || field.name == "metadata");
}

bool has_own_sentence(const Docs& docs, const Type& type, const Field& field) {
  const auto entry = docs.entries().find(type.name);
  return !field.doc.empty() ||
         (entry != docs.entries().end() && entry->second.fields.count(field.name) > 0);
}

}  // namespace

TEST_CASE("every field of the kinds that users meet daily has a sentence of its own") {
  const Schema& schema = Schema::builtin();
  const Docs docs;
  std::set<const Type*> types;
  for (const char* name : kDailyTypes) {
    INFO(name);
    REQUIRE(schema.find_type(name) != nullptr);
    add_with_parts(schema.find_type(name), &types);
  }
  CHECK(types.size() > 300);
  for (const Type* type : types) {
    INFO(type->name);
    CHECK(!docs.of(*type).empty());
    for (const Field& field : type->fields) {
      INFO(field.name);
      if (!is_common(*type, field)) CHECK(has_own_sentence(docs, *type, field));
      CHECK(!docs.of(*type, field).empty());
    }
  }
}

TEST_CASE("the sentences are of types and fields that there are, and are sentences") {
  const Schema& schema = Schema::builtin();
  const Docs docs;
  for (const auto& [name, entry] : docs.entries()) {
    if (name == "*") continue;
    INFO(name);
    const Type* type = schema.find_type(std::string(name));
    REQUIRE(type != nullptr);
    for (const auto& [field, sentence] : entry.fields) {
      INFO(field);
      // Types that share sentences need not have all of the fields.
      CHECK(sentence.size() > 4);
      CHECK((sentence.ends_with('.') || sentence.ends_with("…")));
    }
  }
}

TEST_CASE("a field that no type of its line has is found by name") {
  const Schema& schema = Schema::builtin();
  for (const std::string_view table : Docs::builtin_tables()) {
    const Docs docs(std::span(&table, 1));
    std::set<std::string_view> known, told;
    for (const auto& [name, entry] : docs.entries()) {
      const Type* type = schema.find_type(std::string(name));
      for (const auto& [field, sentence] : entry.fields) {
        told.insert(sentence);
        if (type == nullptr || type->find(field) != nullptr) known.insert(sentence);
      }
    }
    for (const std::string_view sentence : told) {
      INFO(sentence);
      CHECK(known.count(sentence) == 1);
    }
  }
}
