#include "server/admission/limit_range.h"

#include <cstdio>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "server/admission/quantities.h"

namespace orch::admission {
namespace {

using api::Quantity;
using api::Value;

constexpr std::string_view kAnnotation = "kubernetes.io/limit-ranger";

std::optional<Quantity> amount_of(const Quantities& quantities, const std::string& name) {
  const auto found = quantities.find(name);
  if (found == quantities.end()) return std::nullopt;
  return found->second;
}

// "cpu, memory request": what was missing and is set now.
std::string fill(const Quantities& defaults, std::string_view which, std::string_view word,
                 Value* container) {
  std::vector<std::string> names;
  for (const auto& [name, amount] : defaults) {
    if (std::as_const(*container)["resources"][which].has(name)) continue;
    (*container)["resources"][which].set(name, amount.to_string());
    names.push_back(name);
  }
  return names.empty() ? "" : join(names, ", ") + " " + std::string(word);
}

// One bound of one item of a LimitRange, held against what somebody asks for.
class Bounds {
 public:
  Bounds(std::string type, const Quantities& requests, const Quantities& limits,
         std::vector<std::string>* problems)
      : type_(std::move(type)), requests_(requests), limits_(limits), problems_(problems) {}

  void min(const std::string& name, const Quantity& bound) {
    const auto request = amount_of(requests_, name), limit = amount_of(limits_, name);
    if (!request) {
      say("minimum", name, bound, ".  No request is specified");
    } else if (*request < bound) {
      say("minimum", name, bound, ", but request is " + request->to_string());
    } else if (limit && *limit < bound) {
      say("minimum", name, bound, ", but limit is " + limit->to_string());
    }
  }

  void max(const std::string& name, const Quantity& bound) {
    const auto request = amount_of(requests_, name), limit = amount_of(limits_, name);
    if (!limit) {
      say("maximum", name, bound, ".  No limit is specified");
    } else if (*limit > bound) {
      say("maximum", name, bound, ", but limit is " + limit->to_string());
    } else if (request && *request > bound) {
      say("maximum", name, bound, ", but request is " + request->to_string());
    }
  }

  void max_request(const std::string& name, const Quantity& bound) {
    const auto request = amount_of(requests_, name);
    if (!request) {
      say("maximum", name, bound, ".  No request is specified");
    } else if (*request > bound) {
      say("maximum", name, bound, ", but request is " + request->to_string());
    }
  }

  void ratio(const std::string& name, const Quantity& bound) {
    const auto request = amount_of(requests_, name), limit = amount_of(limits_, name);
    const std::string what =
        name + " max limit to request ratio per " + type_ + " is " + bound.to_string();
    if (!request || request->sign() == 0) {
      problems_->push_back(what + ", but no request is specified or request is 0");
    } else if (!limit || limit->sign() == 0) {
      problems_->push_back(what + ", but no limit is specified or limit is 0");
    } else {
      const double given =
          static_cast<double>(limit->milli_value()) / static_cast<double>(request->milli_value());
      if (given * 1000 <= static_cast<double>(bound.milli_value())) return;
      char text[32];
      std::snprintf(text, sizeof text, "%f", given);
      problems_->push_back(what + ", but provided ratio is " + text);
    }
  }

 private:
  void say(const char* bound_name, const std::string& name, const Quantity& bound,
           const std::string& but) {
    problems_->push_back(std::string(bound_name) + " " + name + " usage per " + type_ + " is " +
                         bound.to_string() + but);
  }

  const std::string type_;
  const Quantities& requests_;
  const Quantities& limits_;
  std::vector<std::string>* problems_;
};

void check(const Value& item, const Quantities& requests, const Quantities& limits,
           std::vector<std::string>* problems) {
  Bounds bounds(item["type"].as_string(), requests, limits, problems);
  for (const auto& [name, bound] : parse_quantities(item["min"])) bounds.min(name, bound);
  for (const auto& [name, bound] : parse_quantities(item["max"])) bounds.max(name, bound);
  for (const auto& [name, bound] : parse_quantities(item["maxLimitRequestRatio"])) {
    bounds.ratio(name, bound);
  }
}

}  // namespace

void apply_limit_defaults(const Value& limit_range, Value* pod) {
  Quantities requests, limits;
  for (const Value& item : limit_range.at("spec.limits").items()) {
    if (item["type"].as_string() != "Container") continue;
    for (const auto& each : parse_quantities(item["defaultRequest"])) requests.insert(each);
    for (const auto& each : parse_quantities(item["default"])) limits.insert(each);
  }
  std::vector<std::string> notes;
  for (const auto& [list, kind] : {std::pair{"containers", " for container "},
                                   std::pair{"initContainers", " for init container "}}) {
    Value* containers = (*pod)["spec"].find(list);
    if (containers == nullptr || !containers->is_array()) continue;
    for (Value& container : containers->array_items()) {
      const std::string whose = kind + std::as_const(container)["name"].as_string();
      for (const std::string& what : {fill(requests, "requests", "request", &container),
                                      fill(limits, "limits", "limit", &container)}) {
        if (!what.empty()) notes.push_back(what + whose);
      }
    }
  }
  if (notes.empty()) return;
  (*pod)["metadata"]["annotations"].set(kAnnotation,
                                        "LimitRanger plugin set: " + join(notes, "; "));
}

std::vector<std::string> check_pod_limits(const Value& limit_range, const Value& pod) {
  std::vector<std::string> problems;
  const Value& spec = pod["spec"];
  for (const Value& item : limit_range.at("spec.limits").items()) {
    const std::string& type = item["type"].as_string();
    if (type == "Pod") {
      check(item, pod_quantities(spec, "requests"), pod_quantities(spec, "limits"), &problems);
    }
    if (type != "Container") continue;
    for (const char* list : {"containers", "initContainers"}) {
      for (const Value& container : spec[list].items()) {
        const Value& resources = container["resources"];
        check(item, parse_quantities(resources["requests"]), parse_quantities(resources["limits"]),
              &problems);
      }
    }
  }
  return problems;
}

std::vector<std::string> check_claim_limits(const Value& limit_range, const Value& claim) {
  std::vector<std::string> problems;
  const Quantities requests = parse_quantities(claim.at("spec.resources.requests"));
  const Quantities no_limits;
  for (const Value& item : limit_range.at("spec.limits").items()) {
    if (item["type"].as_string() != "PersistentVolumeClaim") continue;
    Bounds bounds("PersistentVolumeClaim", requests, no_limits, &problems);
    for (const auto& [name, bound] : parse_quantities(item["min"])) bounds.min(name, bound);
    for (const auto& [name, bound] : parse_quantities(item["max"])) bounds.max_request(name, bound);
  }
  return problems;
}

}  // namespace orch::admission
