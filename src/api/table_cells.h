// table_cells: what the files of cell functions share, one file per family of kinds. Pure.
// Included by table_*.cpp alone.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "api/table.h"

namespace orch::api {

using Cell = std::pair<std::string_view, CellFunction>;

// The cells of a family, by the names that the schema calls them.
std::span<const Cell> pod_cells();       // table_pods.cpp: pods and nodes
std::span<const Cell> network_cells();   // table_network.cpp
std::span<const Cell> workload_cells();  // table_workloads.cpp
std::span<const Cell> event_cells();     // table_events.cpp
std::span<const Cell> storage_cells();   // table_storage.cpp
std::span<const Cell>
policy_cells();  // table_policy.cpp: access, quotas, admission, flows, components

std::string or_none(std::string text);                               // "<none>" for nothing
std::string age_of(const Value& time, WallTime now);                 // "5m", or "<unknown>"
std::string first_few(const std::vector<std::string>& all);          // "a,b,c + 2 more..."
std::string text_of_labels(const Value& map);                        // "a=b,c=d", or "<none>"
std::string text_of_selector(const Value& selector);                 // metav1.LabelSelector
const Value* condition(const Value& object, std::string_view type);  // nullptr: none such
bool condition_true(const Value& object, std::string_view type);
Value count_of(const Value& list);
// The field of every item, joined.
std::string joined(const Value& list, std::string_view field, std::string_view separator = ",");

}  // namespace orch::api
