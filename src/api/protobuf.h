// protobuf: the binary form of objects, in which typed Go clients (kubectl create, controllers,
// informers) like to speak, led both ways by the field numbers of the schema: no message is written
// by hand. Bytes come out as Go's generated code writes them: fields by number, scalars even when
// zero, pointers only when set. Pure; any thread.
// Follows: Kubernetes' "Protobuf encoding" (magic, runtime.Unknown), protobuf's wire format.
#pragma once

#include <string>
#include <string_view>

#include "api/json.h"
#include "api/schema.h"
#include "base/result.h"

namespace orch::api {

// What the envelope, runtime.Unknown, begins with.
inline constexpr std::string_view kProtobufMagic("k8s\0", 4);

inline constexpr std::string_view kProtobufType = "application/vnd.kubernetes.protobuf";

struct ProtobufLimits {
  size_t max_bytes = kMaxDocumentBytes;
  size_t max_values = 1u << 20;  // Items of lists and entries of maps, all together.
};

// The document with apiVersion and kind, as JSON would have brought it (zeros that JSON leaves out
// are unset), no deeper than kMaxDepth. Fields that the schema doesn't know are skipped. Lists of
// known kinds are known. 413 beyond max_bytes; 400 for bytes that are no such message, beyond the
// other limits, or of an unknown kind.
Result<Value> decode_protobuf(const Schema& schema, std::string_view bytes,
                              const ProtobufLimits& limits = {});

// False for types without field numbers (Table, custom resources): they are JSON alone.
inline bool has_protobuf(const Type& type) { return !type.wire_order.empty(); }

// A body: magic and envelope around the message; apiVersion and kind are the object's own.
// REQUIRES: has_protobuf(type); `object` has the shapes of `type` (api/decode.h). What JSON brings
// in any order (labels) comes out sorted when `object` is canonical.
std::string encode_protobuf(const Type& type, const Value& object);

// The body of a list is head, every item, tail. So its items can be made one by one, and sent
// without joining them. `items_bytes`: the sizes of all items. `metadata` is a ListMeta.
std::string protobuf_list_head(const Schema& schema, std::string_view api_version,
                               std::string_view kind, const Value& metadata, size_t items_bytes);
std::string protobuf_list_item(const Type& type, const Value& object);
std::string_view protobuf_list_tail();

// One frame of a watch: its length (4 bytes, big-endian) and a WatchEvent around `body`, which is
// what encode_protobuf made.
std::string protobuf_watch_frame(std::string_view event_type, std::string_view body);

}  // namespace orch::api
