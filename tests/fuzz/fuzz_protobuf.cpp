// Protobuf bodies: whatever the bytes, a document that JSON can carry and that can be written as
// protobuf again, or 400. The input is tried as a whole body, and as the object inside of an
// envelope that says "Pod".
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/canonical.h"
#include "api/decode.h"
#include "api/protobuf.h"
#include "base/check.h"

using namespace orch;
using namespace orch::api;

namespace {

void check_body(std::string_view body) {
  const auto document = decode_protobuf(Schema::builtin(), body);
  if (!document.ok()) {
    ORCH_CHECK(document.status().code == 400);
    return;
  }
  const auto json = parse_json(to_json(*document));
  ORCH_CHECK(json.ok());
  ORCH_CHECK(*json == *document);

  const Type* type = Schema::builtin().find_document_type((*document)["apiVersion"].as_string(),
                                                          (*document)["kind"].as_string());
  if (!type || !has_protobuf(*type)) return;
  const auto decoded = decode(*type, *document);
  if (!decoded.ok()) return;
  const Value canonical = canonicalize(*type, *decoded);
  const auto again = decode_protobuf(Schema::builtin(), encode_protobuf(*type, canonical));
  ORCH_CHECK(again.ok());
}

// runtime.Unknown {1: {1: "v1", 2: "Pod"}, 2: raw} behind its magic.
std::string pod_envelope(std::string_view raw) {
  std::string body("k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12", 16);
  size_t length = raw.size();
  for (; length >= 0x80; length >>= 7) body += static_cast<char>(0x80 | (length & 0x7f));
  body += static_cast<char>(length);
  return body.append(raw);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_body(bytes);
  check_body(pod_envelope(bytes));
  return 0;
}
