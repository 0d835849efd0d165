// See filter.h.
#include "server/scheduler/filter.h"

#include <algorithm>

#include "api/quantity.h"
#include "base/strings.h"

namespace orch::scheduler {

using api::LabelSelector;
using api::Value;

namespace {

constexpr const char* kUnschedulableTaint = "node.kubernetes.io/unschedulable";

Amounts parse_amounts(const Value& resources) {
  Amounts amounts;
  for (const auto& [name, value] : resources.members()) {
    const std::string text = value.is_string() ? value.as_string() : std::to_string(value.as_int());
    const auto quantity = api::Quantity::parse(text);
    if (!quantity.ok()) continue;  // The API server refuses such objects.
    if (name == "cpu")
      amounts.cpu_milli = quantity->milli_value();
    else if (name == "memory")
      amounts.memory_bytes = quantity->value();
    else if (name == "ephemeral-storage")
      amounts.ephemeral_bytes = quantity->value();
    else if (name == "pods")
      amounts.pods = quantity->value();
    else
      amounts.extended[name] = quantity->value();
  }
  return amounts;
}

LabelSelector::Requirement parse_expression(const Value& expression) {
  static const std::map<std::string, LabelSelector::Operator, std::less<>> operators = {
      {"In", LabelSelector::Operator::in},
      {"NotIn", LabelSelector::Operator::not_in},
      {"Exists", LabelSelector::Operator::exists},
      {"Gt", LabelSelector::Operator::greater},
      {"Lt", LabelSelector::Operator::less},
      {"DoesNotExist", LabelSelector::Operator::not_exists}};
  LabelSelector::Requirement requirement;
  requirement.key = expression["key"].as_string();
  const auto op = operators.find(expression["operator"].as_string());
  if (op != operators.end()) requirement.op = op->second;
  for (const Value& value : expression["values"].items())
    requirement.values.push_back(value.as_string());
  return requirement;
}

NodeTerm parse_term(const Value& term) {
  NodeTerm out;
  for (const Value& expression : term["matchExpressions"].items())
    out.labels.push_back(parse_expression(expression));
  for (const Value& expression : term["matchFields"].items())
    out.fields.push_back(parse_expression(expression));
  return out;
}

bool holds(const LabelSelector::Requirement& requirement, const std::string* value) {
  using Operator = LabelSelector::Operator;
  const auto listed = [&] {
    return std::find(requirement.values.begin(), requirement.values.end(), *value) !=
           requirement.values.end();
  };
  switch (requirement.op) {
    case Operator::in:
      return value != nullptr && listed();
    case Operator::not_in:
      return value == nullptr || !listed();
    case Operator::exists:
      return value != nullptr;
    case Operator::not_exists:
      return value == nullptr;
    case Operator::greater:
    case Operator::less: {
      if (value == nullptr || requirement.values.size() != 1) return false;
      const auto mine = parse_int(*value), limit = parse_int(requirement.values[0]);
      if (!mine || !limit) return false;
      return requirement.op == Operator::greater ? *mine > *limit : *mine < *limit;
    }
  }
  return false;
}

const std::string* label_of(const NodeInfo& node, const std::string& key) {
  const auto it = std::find_if(node.labels.begin(), node.labels.end(),
                               [&](const auto& label) { return label.first == key; });
  return it == node.labels.end() ? nullptr : &it->second;
}

void parse_host_ports(const Value& containers, std::vector<HostPort>* out) {
  for (const Value& container : containers.items()) {
    for (const Value& port : container["ports"].items()) {
      if (port["hostPort"].as_int() == 0) continue;
      const std::string& ip = port["hostIP"].as_string();
      const std::string& protocol = port["protocol"].as_string();
      out->push_back({ip.empty() ? "0.0.0.0" : ip, protocol.empty() ? "TCP" : protocol,
                      port["hostPort"].as_int()});
    }
  }
}

bool selected(const PodInfo& pod, const NodeInfo& node) {
  if (!pod.node_selector.everything() && !pod.node_selector.matches(node.labels)) return false;
  if (!pod.required) return true;
  return std::any_of(pod.required->begin(), pod.required->end(),
                     [&](const NodeTerm& term) { return term_matches(term, node); });
}

const Taint* first_untolerated(const PodInfo& pod, const NodeInfo& node) {
  for (const Taint& taint : node.taints) {
    if (taint.effect != "NoSchedule" && taint.effect != "NoExecute") continue;
    if (std::none_of(pod.tolerations.begin(), pod.tolerations.end(),
                     [&](const Toleration& t) { return t.tolerates(taint); }))
      return &taint;
  }
  return nullptr;
}

bool ports_free(const PodInfo& pod, const NodeInfo& node) {
  for (const HostPort& wanted : pod.host_ports)
    for (const HostPort& taken : node.host_ports)
      if (wanted.collides(taken)) return false;
  return true;
}

// What a node has too little of. Amounts that the pod does not ask for are not looked at.
void check_resources(const PodInfo& pod, const NodeInfo& node, Verdict* verdict) {
  const Amounts &asked = pod.requests, &all = node.allocatable, &taken = node.requested;
  using Amount = Amounts::Amount;
  const auto need = [&](Amount want, Amount have, Amount used, const std::string& reason) {
    if (want == 0 || want <= have - used) return;
    verdict->reasons.push_back(reason);
    if (want <= have) verdict->eviction_could_help = true;
  };
  need(1, all.pods, taken.pods, "Too many pods");
  need(asked.cpu_milli, all.cpu_milli, taken.cpu_milli, "Insufficient cpu");
  need(asked.memory_bytes, all.memory_bytes, taken.memory_bytes, "Insufficient memory");
  need(asked.ephemeral_bytes, all.ephemeral_bytes, taken.ephemeral_bytes,
       "Insufficient ephemeral-storage");
  const auto amount = [](const std::map<std::string, Amount>& from, const std::string& name) {
    const auto it = from.find(name);
    return it == from.end() ? Amount{0} : it->second;
  };
  for (const auto& [name, want] : asked.extended)
    need(want, amount(all.extended, name), amount(taken.extended, name), "Insufficient " + name);
}

}  // namespace

void Amounts::add(const Amounts& other) {
  cpu_milli += other.cpu_milli;
  memory_bytes += other.memory_bytes;
  ephemeral_bytes += other.ephemeral_bytes;
  pods += other.pods;
  for (const auto& [name, amount] : other.extended) extended[name] += amount;
}

void Amounts::subtract(const Amounts& other) {
  cpu_milli -= other.cpu_milli;
  memory_bytes -= other.memory_bytes;
  ephemeral_bytes -= other.ephemeral_bytes;
  pods -= other.pods;
  for (const auto& [name, amount] : other.extended) extended[name] -= amount;
}

void Amounts::raise_to(const Amounts& other) {
  cpu_milli = std::max(cpu_milli, other.cpu_milli);
  memory_bytes = std::max(memory_bytes, other.memory_bytes);
  ephemeral_bytes = std::max(ephemeral_bytes, other.ephemeral_bytes);
  pods = std::max(pods, other.pods);
  for (const auto& [name, amount] : other.extended)
    extended[name] = std::max(extended[name], amount);
}

std::string Taint::to_string() const { return "{" + key + ": " + value + "}"; }

bool Toleration::tolerates(const Taint& taint) const {
  if (!effect.empty() && effect != taint.effect) return false;
  if (key.empty()) return exists;  // Every key.
  return key == taint.key && (exists || value == taint.value);
}

bool HostPort::collides(const HostPort& other) const {
  return port == other.port && protocol == other.protocol &&
         (ip == other.ip || ip == "0.0.0.0" || other.ip == "0.0.0.0");
}

bool NodeInfo::same_node(const NodeInfo& other) const {
  return name == other.name && labels == other.labels && unschedulable == other.unschedulable &&
         taints == other.taints && allocatable == other.allocatable;
}

NodeInfo parse_node(const Value& node) {
  NodeInfo info;
  info.name = node["metadata"]["name"].as_string();
  info.labels = api::labels_of(node);
  info.unschedulable = node["spec"]["unschedulable"].as_bool();
  for (const Value& taint : node["spec"]["taints"].items())
    info.taints.push_back(
        {taint["key"].as_string(), taint["value"].as_string(), taint["effect"].as_string()});
  // A node that has not yet said what may be used of it has its capacity.
  const Value& allocatable = node["status"]["allocatable"];
  info.allocatable = parse_amounts(allocatable.empty() ? node["status"]["capacity"] : allocatable);
  return info;
}

Amounts pod_requests(const Value& pod) {
  const auto requests_of = [](const Value& container) {
    const Value& resources = container["resources"];
    // A limit without a request asks for the limit; defaulting writes it so, too.
    Value merged = resources["limits"].is_object() ? resources["limits"] : Value::object();
    for (const auto& [name, value] : resources["requests"].members()) merged.set(name, value);
    return parse_amounts(merged);
  };
  Amounts sum, sidecars, init_peak;
  for (const Value& container : pod["spec"]["containers"].items()) sum.add(requests_of(container));
  for (const Value& container : pod["spec"]["initContainers"].items()) {
    Amounts amounts = requests_of(container);
    if (container["restartPolicy"].as_string() == "Always") {
      sidecars.add(amounts);
      init_peak.raise_to(sidecars);
    } else {
      amounts.add(sidecars);  // Those started before it keep running beside it.
      init_peak.raise_to(amounts);
    }
  }
  sum.add(sidecars);
  sum.raise_to(init_peak);
  sum.add(parse_amounts(pod["spec"]["overhead"]));
  sum.pods = 1;
  return sum;
}

PodInfo parse_pod(const Value& pod) {
  const Value& spec = pod["spec"];
  PodInfo info;
  info.key = client::key_of(pod);
  info.uid = pod["metadata"]["uid"].as_string();
  info.node = spec["nodeName"].as_string();
  info.priority = spec["priority"].as_int();
  info.requests = pod_requests(pod);
  for (const Value& owner : pod["metadata"]["ownerReferences"].items())
    if (owner["controller"].as_bool()) info.owner_uid = owner["uid"].as_string();
  for (const Value& toleration : spec["tolerations"].items())
    info.tolerations.push_back({toleration["key"].as_string(), toleration["value"].as_string(),
                                toleration["effect"].as_string(),
                                toleration["operator"].as_string() == "Exists"});
  if (!spec["nodeSelector"].empty())
    info.node_selector = LabelSelector::from_map(spec["nodeSelector"]);
  const Value& affinity = spec["affinity"]["nodeAffinity"];
  const Value& required = affinity["requiredDuringSchedulingIgnoredDuringExecution"];
  if (!required.is_null()) {
    info.required.emplace();
    for (const Value& term : required["nodeSelectorTerms"].items())
      info.required->push_back(parse_term(term));
  }
  for (const Value& preferred : affinity["preferredDuringSchedulingIgnoredDuringExecution"].items())
    info.preferred.push_back({preferred["weight"].as_int(), parse_term(preferred["preference"])});
  parse_host_ports(spec["containers"], &info.host_ports);
  parse_host_ports(spec["initContainers"], &info.host_ports);
  return info;
}

// An empty term matches nothing, as Kubernetes documents.
bool term_matches(const NodeTerm& term, const NodeInfo& node) {
  if (term.empty()) return false;
  for (const auto& requirement : term.labels)
    if (!holds(requirement, label_of(node, requirement.key))) return false;
  for (const auto& requirement : term.fields)
    if (!holds(requirement, requirement.key == "metadata.name" ? &node.name : nullptr))
      return false;
  return true;
}

// In kube-scheduler's order; the first kind of reason is the answer.
Verdict check_node(const PodInfo& pod, const NodeInfo& node) {
  if (node.unschedulable) {
    const Taint taint{kUnschedulableTaint, "", "NoSchedule"};
    if (std::none_of(pod.tolerations.begin(), pod.tolerations.end(),
                     [&](const Toleration& t) { return t.tolerates(taint); }))
      return {{"node(s) were unschedulable"}, false};
  }
  if (!pod.node.empty() && pod.node != node.name)
    return {{"node(s) didn't match the requested node name"}, false};
  if (const Taint* taint = first_untolerated(pod, node))
    return {{"node(s) had untolerated taint " + taint->to_string()}, false};
  if (!selected(pod, node)) return {{"node(s) didn't match Pod's node affinity/selector"}, false};
  if (!ports_free(pod, node))
    return {{"node(s) didn't have free ports for the requested pod ports"}, true};
  Verdict verdict;
  check_resources(pod, node, &verdict);
  return verdict;
}

std::string render_unschedulable(const std::vector<Verdict>& verdicts) {
  if (verdicts.empty()) return "no nodes available to schedule pods";
  std::map<std::string, int> reasons, preemption;
  for (const Verdict& verdict : verdicts) {
    for (const std::string& reason : verdict.reasons) ++reasons[reason];
    ++preemption[verdict.eviction_could_help ? "No preemption victims found for incoming pod"
                                             : "Preemption is not helpful for scheduling"];
  }
  const auto counted = [](const std::map<std::string, int>& counts) {
    std::vector<std::string> parts;
    for (const auto& [reason, count] : counts)
      parts.push_back(std::to_string(count) + " " + reason);
    std::sort(parts.begin(), parts.end());
    return join(parts, ", ");
  };
  const std::string head = "0/" + std::to_string(verdicts.size()) + " nodes are available: ";
  return head + counted(reasons) + ". preemption: " + head + counted(preemption) + ".";
}

}  // namespace orch::scheduler
