#include "agent/pods/qos.h"

#include <algorithm>

#include "agent/pods/pod_spec.h"
#include "api/quantity.h"

namespace orch::pods {
namespace {

constexpr int64_t kMinShares = 2, kMaxShares = 262'144;
constexpr int64_t kCpuPeriodUs = 100'000, kMinQuotaUs = 1000;

// The quantity under resources.<list>.<resource>; 0 when unset.
int64_t amount(const api::Value& container, std::string_view list, const std::string& resource) {
  const api::Value* value = container["resources"][list].find(resource);
  if (value == nullptr) return 0;
  const std::string text =
      value->is_int() ? std::to_string(value->as_int()) : std::string(value->as_string());
  const auto quantity = api::Quantity::parse(text);
  if (!quantity.ok()) return 0;
  return resource == "cpu" ? quantity->milli_value() : quantity->value();
}

// Requests default to limits.
int64_t request(const api::Value& container, const std::string& resource) {
  const int64_t asked = amount(container, "requests", resource);
  return asked > 0 ? asked : amount(container, "limits", resource);
}

int64_t shares_of(int64_t milli_cpu) {
  return std::clamp(milli_cpu * 1024 / 1000, kMinShares, kMaxShares);
}

int64_t quota_of(int64_t milli_cpu) {
  return std::max(kMinQuotaUs, milli_cpu * kCpuPeriodUs / 1000);
}

template <class Amount>
int64_t effective(const api::Value& pod, Amount amount_of) {
  int64_t sidecars = 0, init_peak = 0, main = 0;
  for (const auto& container : containers_of(pod)) {
    const int64_t n = amount_of(*container.spec);
    if (container.kind == Kind::main) main += n;
    if (container.kind == Kind::sidecar) {
      sidecars += n;
      init_peak = std::max(init_peak, sidecars);
    }
    if (container.kind == Kind::init) init_peak = std::max(init_peak, sidecars + n);
  }
  return std::max(init_peak, main + sidecars);
}

int oom_score_adj(const api::Value& pod, const api::Value& container, int64_t node_memory_bytes) {
  const std::string qos = qos_class(pod);
  if (qos == "Guaranteed") return -997;
  if (qos == "BestEffort" || node_memory_bytes <= 0) return 1000;
  const int64_t asked = request(container, "memory");
  const int64_t adj = 1000 - 1000 * (asked >> 10) / std::max<int64_t>(1, node_memory_bytes >> 10);
  return static_cast<int>(std::clamp<int64_t>(adj, 3, 999));
}

}  // namespace

std::string qos_class(const api::Value& pod) {
  bool any = false, guaranteed = true;
  for (const auto& container : containers_of(pod)) {
    if (container.kind == Kind::ephemeral) continue;  // They come later and reserve nothing.
    for (const char* resource : {"cpu", "memory"}) {
      const int64_t limit = amount(*container.spec, "limits", resource);
      const int64_t asked = request(*container.spec, resource);
      any = any || limit > 0 || asked > 0;
      guaranteed = guaranteed && limit > 0 && asked == limit;
    }
  }
  if (!any) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

std::string pod_cgroup(const api::Value& pod) {
  const std::string qos = qos_class(pod);
  const std::string leaf = "pod" + pod_uid(pod);
  if (qos == "Guaranteed") return "kubepods/" + leaf;
  return (qos == "Burstable" ? "kubepods/burstable/" : "kubepods/besteffort/") + leaf;
}

int64_t pod_request(const api::Value& pod, const std::string& resource) {
  const int64_t containers =
      effective(pod, [&](const api::Value& container) { return request(container, resource); });
  const api::Value overhead = api::Value::object(
      {{"resources", api::Value::object({{"requests", pod["spec"]["overhead"]}})}});
  return containers + request(overhead, resource);
}

runtime::CgroupLimits pod_cgroup_limits(const api::Value& pod) {
  runtime::CgroupLimits limits;
  limits.cpu_shares = shares_of(pod_request(pod, "cpu"));
  bool all_cpu = true, all_memory = true;
  for (const auto& container : containers_of(pod)) {
    if (container.kind == Kind::ephemeral) continue;
    all_cpu = all_cpu && amount(*container.spec, "limits", "cpu") > 0;
    all_memory = all_memory && amount(*container.spec, "limits", "memory") > 0;
  }
  const auto limit_of = [&](const char* resource) {
    return effective(pod, [&](const api::Value& c) { return amount(c, "limits", resource); });
  };
  if (all_cpu) {
    limits.cpu_period_us = kCpuPeriodUs;
    limits.cpu_quota_us = quota_of(limit_of("cpu"));
  }
  if (all_memory) limits.memory_bytes = limit_of("memory");
  return limits;
}

runtime::Resources container_resources(const api::Value& pod, const api::Value& container,
                                       int64_t node_memory_bytes) {
  runtime::Resources resources;
  resources.cpu_shares = shares_of(request(container, "cpu"));
  if (const int64_t cpu = amount(container, "limits", "cpu"); cpu > 0) {
    resources.cpu_period_us = kCpuPeriodUs;
    resources.cpu_quota_us = quota_of(cpu);
  }
  if (const int64_t memory = amount(container, "limits", "memory"); memory > 0) {
    resources.memory_bytes = memory;
  }
  resources.oom_score_adj = oom_score_adj(pod, container, node_memory_bytes);
  return resources;
}

}  // namespace orch::pods
