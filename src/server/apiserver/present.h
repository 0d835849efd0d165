// present: stored objects in the form that the client asked for. Plain JSON goes out as the store's
// own bytes; every other form parses each object once. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "api/schema.h"
#include "api/table.h"
#include "base/clock.h"
#include "http/http.h"
#include "server/apiserver/media.h"
#include "store/record.h"

namespace orch::apiserver {

struct Presentation {
  Media media;
  api::IncludeObject include = api::IncludeObject::metadata;  // Of Table rows.
};

// The body alone, for responses and for watch frames. A Table has one row; `with_columns` is false
// in every watch event but the first.
http::Body present_object(const api::Resource& resource, std::shared_ptr<const void> owner,
                          std::string_view bytes, const Presentation& form, WallTime now,
                          bool with_columns = true);

// A whole response of one object.
http::Response present_response(int code, const api::Resource& resource,
                                std::shared_ptr<const void> owner, std::string_view bytes,
                                const Presentation& form, WallTime now);

// A whole response of a list. `metadata` is its ListMeta; continue and all.
http::Response present_list(const api::Resource& resource, const api::Value& metadata,
                            const std::vector<store::RecordPtr>& records, const Presentation& form,
                            WallTime now);

// A document that isn't a stored object (a Status, a Scale, a review). As JSON when protobuf was
// asked for and the kind has no such form.
http::Response present_value(int code, const api::Value& value, const Media& media);

// A failure, in the encoding that the request asked for.
http::Response present_status(const Status& status, const http::Request& request);

}  // namespace orch::apiserver
