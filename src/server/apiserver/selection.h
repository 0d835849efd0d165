// selection: which records a list or watch means, decided by key and tags; no JSON is parsed.
#pragma once

#include <string>
#include <string_view>

#include "api/schema.h"
#include "api/selector.h"
#include "base/result.h"
#include "store/record.h"

namespace orch::apiserver {

class Selection {
 public:
  // 400 for selectors that can't be read or name a field that isn't selectable.
  static Result<Selection> make(const api::Resource& resource, std::string_view ns,
                                std::string_view name, std::string_view label_selector,
                                std::string_view field_selector);

  // Everything selected lies below it; one whole key when a single name is meant.
  const std::string& prefix() const { return prefix_; }
  // True when everything below prefix() is selected.
  bool everything() const { return labels_.everything() && fields_.everything(); }
  bool matches(const store::Record& record) const;
  // Tags that every match has.
  store::TagMarks marks() const;

 private:
  const api::Resource* resource_ = nullptr;
  std::string prefix_;
  api::LabelSelector labels_;
  api::FieldSelector fields_;
};

}  // namespace orch::apiserver
