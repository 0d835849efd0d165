#include "server/admission/quantities.h"

#include <algorithm>

namespace orch::admission {

using api::Value;

Quantities parse_quantities(const Value& resources) {
  Quantities parsed;
  for (const auto& [name, amount] : resources.members()) {
    const auto quantity = api::Quantity::parse(amount.as_string());
    if (quantity) parsed[name] = *quantity;
  }
  return parsed;
}

Value to_value(const Quantities& quantities) {
  Value value = Value::object();
  for (const auto& [name, amount] : quantities) value.set(name, amount.to_string());
  return value;
}

void add(Quantities* sum, const Quantities& more) {
  for (const auto& [name, amount] : more) {
    const auto [found, is_new] = sum->try_emplace(name, amount);
    if (!is_new) found->second = found->second + amount;
  }
}

void subtract(Quantities* sum, const Quantities& less) {
  for (const auto& [name, amount] : less) (*sum)[name] = (*sum)[name] - amount;
}

void raise_to(Quantities* most, const Quantities& other) {
  for (const auto& [name, amount] : other) {
    const auto [found, is_new] = most->try_emplace(name, amount);
    if (!is_new && found->second < amount) found->second = amount;
  }
}

Quantities pod_quantities(const Value& spec, std::string_view which) {
  const auto of = [&](const Value& container) {
    return parse_quantities(container["resources"][which]);
  };
  Quantities sum, sidecars, start;
  for (const Value& container : spec["containers"].items()) add(&sum, of(container));
  for (const Value& container : spec["initContainers"].items()) {
    Quantities moment = of(container);
    if (container["restartPolicy"].as_string() == "Always") {
      add(&sidecars, moment);
      moment = sidecars;
    } else {
      add(&moment, sidecars);  // Those started before it run on beside it.
    }
    raise_to(&start, moment);
  }
  add(&sum, sidecars);
  raise_to(&sum, start);
  const Quantities overhead = parse_quantities(spec["overhead"]);
  if (which == "requests") {
    add(&sum, overhead);
  } else {
    // Overhead widens a limit that there is; it makes none.
    for (const auto& [name, amount] : overhead) {
      if (const auto found = sum.find(name); found != sum.end()) {
        found->second = found->second + amount;
      }
    }
  }
  return sum;
}

}  // namespace orch::admission
