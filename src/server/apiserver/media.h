// media: which form of an answer the client accepts (RFC 9110 section 12.5.1, and the "as="
// parameters of Kubernetes' "Alternate representations of resources"). PURE.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace orch::apiserver {

struct Media {
  enum class Form { object, table, partial };
  enum class Encoding { json, yaml, protobuf };

  Form form = Form::object;
  Encoding encoding = Encoding::json;
  std::string api_version;  // Of table and partial: "meta.k8s.io/v1" or "meta.k8s.io/v1beta1".
  bool pretty = false;      // ?pretty=true

  // What the answer says of itself.
  std::string content_type() const;
  bool plain() const { return form == Form::object && encoding == Encoding::json && !pretty; }
};

// The best of `accept`, an Accept header, "" meaning anything. 406 when nothing in it is served.
// Without `has_protobuf` (api/protobuf.h), and for a Table, protobuf is not.
Result<Media> negotiate(std::string_view accept, bool has_protobuf);

}  // namespace orch::apiserver
