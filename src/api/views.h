// Views: objects read through names instead of paths, for controllers, scheduler and agent. A view
// is a pointer to a Value that must outlive it; absent fields read as zero. Each field names its
// path once and enters itself in view_fields(), so that a test holds every view to the schema.
// Pure.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "api/schema.h"

namespace orch::api {

// A field that some view reads: the path, from the type on, and what it takes it for.
struct ViewField {
  std::string_view type;  // "core/v1.Pod"
  std::string_view path;  // "spec.nodeName"
  Shape shape;
};
// All of them, once the program runs (they enter themselves before main).
std::vector<ViewField>& view_fields();

// A string as a template's argument.
template <size_t N>
struct FixedText {
  char text[N];
  consteval FixedText(const char (&from)[N]) { std::copy_n(from, N, text); }
};

template <FixedText kType>
class View {
 public:
  explicit View(const Value& value) : value_(&value) {}
  const Value& value() const { return *value_; }

 protected:
  template <FixedText kPath, Shape kShape>
  const Value& read() const {
    (void)entered<kPath, kShape>;
    return value_->at(kPath.text);
  }
  template <FixedText kPath>
  const std::string& text() const {
    return read<kPath, Shape::string>().as_string();
  }
  template <FixedText kPath>
  bool flag() const {
    return read<kPath, Shape::boolean>().as_bool();
  }
  template <FixedText kPath>
  int64_t int32(int64_t otherwise = 0) const {
    return read<kPath, Shape::int32>().as_int(otherwise);
  }
  template <FixedText kPath>
  int64_t int64(int64_t otherwise = 0) const {
    return read<kPath, Shape::int64>().as_int(otherwise);
  }
  template <FixedText kPath>
  const Array& list() const {
    return read<kPath, Shape::array>().items();
  }
  template <FixedText kPath>
  const Value& map() const {
    return read<kPath, Shape::map>();
  }
  template <FixedText kPath>
  const Value& object() const {
    return read<kPath, Shape::object>();
  }
  template <FixedText kPath>
  const std::string& time() const {
    return read<kPath, Shape::time>().as_string();
  }

 private:
  const Value* value_;
  template <FixedText kPath, Shape kShape>
  static inline const bool entered = (view_fields().push_back({kType.text, kPath.text, kShape}),
                                      true);
};

class ObjectMeta : public View<"meta/v1.ObjectMeta"> {
 public:
  using View::View;
  // The metadata of an object of any kind.
  static ObjectMeta of(const Value& object) { return ObjectMeta(object["metadata"]); }

  const std::string& name() const { return text<"name">(); }
  const std::string& ns() const { return text<"namespace">(); }
  const std::string& uid() const { return text<"uid">(); }
  const std::string& resource_version() const { return text<"resourceVersion">(); }
  int64_t generation() const { return int64<"generation">(); }
  const Value& labels() const { return map<"labels">(); }
  const Value& annotations() const { return map<"annotations">(); }
  const Array& finalizers() const { return list<"finalizers">(); }
  const Array& owners() const { return list<"ownerReferences">(); }
  const std::string& creation_timestamp() const { return time<"creationTimestamp">(); }
  const std::string& deletion_timestamp() const { return time<"deletionTimestamp">(); }
  bool is_deleting() const { return !deletion_timestamp().empty(); }
  // The one that acts as its controller; null when there is none.
  const Value& controller() const;
};

class Container : public View<"core/v1.Container"> {
 public:
  using View::View;
  const std::string& name() const { return text<"name">(); }
  const std::string& image() const { return text<"image">(); }
  const std::string& image_pull_policy() const { return text<"imagePullPolicy">(); }
  const std::string& working_dir() const { return text<"workingDir">(); }
  const std::string& restart_policy() const { return text<"restartPolicy">(); }
  const Array& command() const { return list<"command">(); }
  const Array& args() const { return list<"args">(); }
  const Array& env() const { return list<"env">(); }
  const Array& env_from() const { return list<"envFrom">(); }
  const Array& ports() const { return list<"ports">(); }
  const Array& volume_mounts() const { return list<"volumeMounts">(); }
  const Value& requests() const { return map<"resources.requests">(); }
  const Value& limits() const { return map<"resources.limits">(); }
  const Value& security_context() const { return object<"securityContext">(); }
  const Value& liveness_probe() const { return object<"livenessProbe">(); }
  const Value& readiness_probe() const { return object<"readinessProbe">(); }
  const Value& startup_probe() const { return object<"startupProbe">(); }
  const Value& lifecycle() const { return object<"lifecycle">(); }
  bool tty() const { return flag<"tty">(); }
  bool stdin_open() const { return flag<"stdin">(); }
};

class PodSpec : public View<"core/v1.PodSpec"> {
 public:
  using View::View;
  const std::string& node_name() const { return text<"nodeName">(); }
  const std::string& scheduler_name() const { return text<"schedulerName">(); }
  const std::string& restart_policy() const { return text<"restartPolicy">(); }
  const std::string& service_account_name() const { return text<"serviceAccountName">(); }
  const std::string& dns_policy() const { return text<"dnsPolicy">(); }
  const std::string& hostname() const { return text<"hostname">(); }
  const std::string& subdomain() const { return text<"subdomain">(); }
  const Array& containers() const { return list<"containers">(); }
  const Array& init_containers() const { return list<"initContainers">(); }
  const Array& volumes() const { return list<"volumes">(); }
  const Array& tolerations() const { return list<"tolerations">(); }
  const Array& scheduling_gates() const { return list<"schedulingGates">(); }
  const Array& image_pull_secrets() const { return list<"imagePullSecrets">(); }
  const Value& node_selector() const { return map<"nodeSelector">(); }
  const Value& affinity() const { return object<"affinity">(); }
  const Value& security_context() const { return object<"securityContext">(); }
  const Value& dns_config() const { return object<"dnsConfig">(); }
  bool host_network() const { return flag<"hostNetwork">(); }
  bool host_pid() const { return flag<"hostPID">(); }
  bool host_ipc() const { return flag<"hostIPC">(); }
  int64_t priority() const { return int32<"priority">(); }
  int64_t grace_s() const { return int64<"terminationGracePeriodSeconds">(30); }
};

class Pod : public View<"core/v1.Pod"> {
 public:
  using View::View;
  ObjectMeta metadata() const { return ObjectMeta::of(value()); }
  PodSpec spec() const { return PodSpec(object<"spec">()); }
  const std::string& phase() const { return text<"status.phase">(); }
  const std::string& reason() const { return text<"status.reason">(); }
  const std::string& ip() const { return text<"status.podIP">(); }
  const std::string& host_ip() const { return text<"status.hostIP">(); }
  const Array& conditions() const { return list<"status.conditions">(); }
  const Array& container_statuses() const { return list<"status.containerStatuses">(); }
  bool is_finished() const { return phase() == "Succeeded" || phase() == "Failed"; }
  bool is_ready() const;  // Condition Ready is True.
};

class Service : public View<"core/v1.Service"> {
 public:
  using View::View;
  ObjectMeta metadata() const { return ObjectMeta::of(value()); }
  const std::string& type() const { return text<"spec.type">(); }
  const std::string& cluster_ip() const { return text<"spec.clusterIP">(); }
  const std::string& external_name() const { return text<"spec.externalName">(); }
  const std::string& session_affinity() const { return text<"spec.sessionAffinity">(); }
  const Value& selector() const { return map<"spec.selector">(); }
  const Array& ports() const { return list<"spec.ports">(); }
  bool is_headless() const { return cluster_ip() == "None"; }
  bool publish_not_ready() const { return flag<"spec.publishNotReadyAddresses">(); }
};

class Node : public View<"core/v1.Node"> {
 public:
  using View::View;
  ObjectMeta metadata() const { return ObjectMeta::of(value()); }
  bool unschedulable() const { return flag<"spec.unschedulable">(); }
  const std::string& pod_cidr() const { return text<"spec.podCIDR">(); }
  const Array& taints() const { return list<"spec.taints">(); }
  const Array& conditions() const { return list<"status.conditions">(); }
  const Array& addresses() const { return list<"status.addresses">(); }
  const Value& allocatable() const { return map<"status.allocatable">(); }
  const Value& capacity() const { return map<"status.capacity">(); }
};

class ReplicaSet : public View<"apps/v1.ReplicaSet"> {
 public:
  using View::View;
  ObjectMeta metadata() const { return ObjectMeta::of(value()); }
  int64_t replicas() const { return int32<"spec.replicas">(1); }
  int64_t min_ready_s() const { return int32<"spec.minReadySeconds">(); }
  const Value& selector() const { return object<"spec.selector">(); }
  const Value& pod_template() const { return object<"spec.template">(); }
  const Value& status() const { return object<"status">(); }
};

class Deployment : public View<"apps/v1.Deployment"> {
 public:
  using View::View;
  ObjectMeta metadata() const { return ObjectMeta::of(value()); }
  int64_t replicas() const { return int32<"spec.replicas">(1); }
  int64_t min_ready_s() const { return int32<"spec.minReadySeconds">(); }
  int64_t history_limit() const { return int32<"spec.revisionHistoryLimit">(10); }
  int64_t progress_deadline_s() const { return int32<"spec.progressDeadlineSeconds">(600); }
  bool paused() const { return flag<"spec.paused">(); }
  const std::string& strategy() const { return text<"spec.strategy.type">(); }
  const Value& rolling_update() const { return object<"spec.strategy.rollingUpdate">(); }
  const Value& selector() const { return object<"spec.selector">(); }
  const Value& pod_template() const { return object<"spec.template">(); }
  const Value& status() const { return object<"status">(); }
};

class EndpointSlice : public View<"discovery/v1.EndpointSlice"> {
 public:
  using View::View;
  ObjectMeta metadata() const { return ObjectMeta::of(value()); }
  const std::string& address_type() const { return text<"addressType">(); }
  const Array& endpoints() const { return list<"endpoints">(); }
  const Array& ports() const { return list<"ports">(); }
};

// The entry of `conditions` of that type; null when there is none.
const Value& find_condition(const Array& conditions, std::string_view type);

}  // namespace orch::api
