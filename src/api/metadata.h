// What is demanded of metadata, of every kind alike. Pure. Follows: Kubernetes "Object Names and
// IDs", "Labels and Selectors", API conventions "Metadata".
#pragma once

#include "api/causes.h"
#include "api/schema.h"

namespace orch::api {

// Keys and values together; 422 beyond.
inline constexpr size_t kMaxAnnotationBytes = 256u << 10;

void validate_metadata(const Resource& resource, const Value& object, Causes* causes);
// What may not change. REQUIRES: strategy.h's prepare_update went before.
void validate_metadata_update(const Value& object, const Value& old, Causes* causes);

// Also for templates: labels and annotations under `path` ("spec.template.metadata.labels").
void validate_labels(const Value& labels, const std::string& path, Causes* causes);
void validate_annotations(const Value& annotations, const std::string& path, Causes* causes);
// metav1.LabelSelector.
void validate_label_selector(const Value& selector, const std::string& path, Causes* causes);

}  // namespace orch::api
