// quantities: amounts by the name of what they are of ("cpu", "requests.storage"), and what a pod
// as a whole asks for. PURE.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "api/json.h"
#include "api/quantity.h"

namespace orch::admission {

using Quantities = std::map<std::string, api::Quantity>;

// Of {"cpu": "100m", ...}; what is no quantity is left out (validation refuses it).
Quantities parse_quantities(const api::Value& resources);
api::Value to_value(const Quantities& quantities);

void add(Quantities* sum, const Quantities& more);
void subtract(Quantities* sum, const Quantities& less);
void raise_to(Quantities* most, const Quantities& other);

// What a pod takes at once, of its containers' "requests" or "limits": all containers together, or
// the hungriest moment of its start, whichever is more; and its overhead.
Quantities pod_quantities(const api::Value& spec, std::string_view which);

}  // namespace orch::admission
