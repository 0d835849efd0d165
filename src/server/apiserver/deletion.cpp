#include "server/apiserver/deletion.h"

#include <algorithm>
#include <utility>

namespace orch::apiserver {
namespace {

constexpr std::string_view kOrphan = "orphan";
constexpr std::string_view kForeground = "foregroundDeletion";

bool is_kind(const api::Resource& resource, std::string_view kind) {
  return resource.group.empty() && resource.kind == kind;
}

void set_finalizer(api::Value* metadata, std::string_view name, bool wanted) {
  api::Array kept;
  for (const api::Value& finalizer : std::as_const(*metadata)["finalizers"].items()) {
    if (finalizer.as_string() != name) kept.push_back(finalizer);
  }
  if (wanted) kept.emplace_back(name);
  if (kept.empty()) {
    metadata->remove("finalizers");
  } else {
    metadata->set("finalizers", std::move(kept));
  }
}

// The propagation policy becomes a finalizer, which the garbage collector honours and removes.
void apply_propagation(const api::Resource& resource, const DeleteOptions& options,
                       api::Value* metadata) {
  std::string policy = options.propagation;
  if (policy.empty()) {
    for (const api::Value& finalizer : std::as_const(*metadata)["finalizers"].items()) {
      const std::string& name = finalizer.as_string();
      if (name == kOrphan || name == kForeground) return;  // Chosen before, and it stands.
    }
    policy = resource.default_propagation;
  }
  set_finalizer(metadata, kOrphan, policy == "Orphan");
  set_finalizer(metadata, kForeground, policy == "Foreground");
}

// How long the object may take to end. Only pods that run somewhere take any time.
int64_t grace_seconds(const api::Resource& resource, const api::Value& object,
                      const DeleteOptions& options) {
  if (!is_kind(resource, "Pod")) return 0;
  if (object.at("spec.nodeName").empty()) return 0;
  const std::string& phase = object.at("status.phase").as_string();
  if (phase == "Succeeded" || phase == "Failed") return 0;
  constexpr int64_t kDefaultGraceS = 30;
  const int64_t wanted = options.grace_s.value_or(
      object.at("spec.terminationGracePeriodSeconds").as_int(kDefaultGraceS));
  return std::min(wanted, kMaxGraceS);
}

void mark(api::Value* object, WallTime when, int64_t grace_s) {
  api::Value& metadata = (*object)["metadata"];
  metadata.set("deletionTimestamp", format_time(when));
  metadata.set("deletionGracePeriodSeconds", grace_s);
  const int64_t generation = std::as_const(metadata)["generation"].as_int();
  if (generation > 0) metadata.set("generation", generation + 1);
}

// The namespace controller empties a namespace, then takes spec.finalizers away.
Result<Deletion> plan_namespace(api::Value object, WallTime now) {
  const bool held =
      !object.at("metadata.finalizers").empty() || !object.at("spec.finalizers").empty();
  if (!object.at("metadata.deletionTimestamp").empty()) {
    if (!held) return Deletion{};
    return conflict({"", "namespaces", object.at("metadata.name").as_string()},
                    "The system is ensuring all content is removed from this namespace.  Upon "
                    "completion, this namespace will automatically be purged by the system.");
  }
  if (!held) return Deletion{};
  object["metadata"].set("deletionTimestamp", format_time(now));
  object["status"].set("phase", "Terminating");
  return Deletion{Deletion::Kind::mark, std::move(object)};
}

// A second DELETE may only shorten the time that the first one gave.
Deletion plan_again(const api::Resource& resource, api::Value before, api::Value object,
                    const DeleteOptions& options) {
  const int64_t old_grace = before.at("metadata.deletionGracePeriodSeconds").as_int();
  const int64_t new_grace = options.grace_s ? grace_seconds(resource, object, options) : old_grace;
  if (new_grace < old_grace) {
    WallTime end;
    if (parse_time(before.at("metadata.deletionTimestamp").as_string(), &end)) {
      end -= std::chrono::seconds(old_grace - new_grace);
      object["metadata"].set("deletionTimestamp", format_time(end));
    }
    object["metadata"].set("deletionGracePeriodSeconds", new_grace);
  }
  if (is_released(resource, object)) return {};
  if (object == before) return {Deletion::Kind::nothing, {}};
  return {Deletion::Kind::mark, std::move(object)};
}

}  // namespace

Result<Deletion> plan_deletion(const api::Resource& resource, api::Value object,
                               const DeleteOptions& options, WallTime now) {
  if (is_kind(resource, "Namespace")) return plan_namespace(std::move(object), now);
  if (!object.at("metadata.deletionTimestamp").empty()) {
    api::Value before = object;
    apply_propagation(resource, options, &object["metadata"]);
    return plan_again(resource, std::move(before), std::move(object), options);
  }
  apply_propagation(resource, options, &object["metadata"]);
  const int64_t grace = grace_seconds(resource, object, options);
  const bool held = !object.at("metadata.finalizers").empty();
  if (grace == 0 && !held) return Deletion{};
  mark(&object, now + std::chrono::seconds(grace), grace);
  return Deletion{Deletion::Kind::mark, std::move(object)};
}

bool is_released(const api::Resource& resource, const api::Value& object) {
  const api::Value& metadata = object["metadata"];
  if (metadata["deletionTimestamp"].empty()) return false;
  if (!metadata["finalizers"].empty()) return false;
  if (is_kind(resource, "Namespace") && !object.at("spec.finalizers").empty()) return false;
  return metadata["deletionGracePeriodSeconds"].as_int() == 0;
}

Result<void> check_preconditions(const api::Resource& resource, const api::Value& object,
                                 std::string_view uid, std::string_view revision) {
  const api::Value& metadata = object["metadata"];
  const auto compare = [&](const std::string& what, std::string_view wanted,
                           const std::string& stands) -> Result<void> {
    if (wanted.empty() || wanted == stands) return {};
    return conflict({resource.group, resource.plural, metadata["name"].as_string()},
                    "Precondition failed: " + what + " in precondition: " + std::string(wanted) +
                        ", " + what + " in object meta: " + stands);
  };
  ORCH_TRY(compare("UID", uid, metadata["uid"].as_string()));
  return compare("ResourceVersion", revision, metadata["resourceVersion"].as_string());
}

}  // namespace orch::apiserver
