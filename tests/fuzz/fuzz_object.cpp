// Objects: what decode() accepts for its type has one canonical form, which is accepted strictly
// and is its own canonical form (but for what fuzz_quantity.cpp says). The type is what the
// document says of itself, or a Pod.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/canonical.h"
#include "api/decode.h"
#include "base/check.h"

using namespace orch;
using namespace orch::api;

namespace {

Value read_again(const Type& type, const Value& canonical) {
  const auto decoded = decode(type, canonical, {Strictness::strict, nullptr, nullptr});
  ORCH_CHECK(decoded.ok());
  return canonicalize(type, *decoded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Schema& schema = Schema::builtin();
  const auto document = parse_yaml({reinterpret_cast<const char*>(data), size});
  if (!document.ok()) return 0;
  const Type* type = schema.find_document_type((*document)["apiVersion"].as_string(),
                                               (*document)["kind"].as_string());
  if (!type) type = schema.find_type("core/v1.Pod");
  std::vector<std::string> warnings;
  const auto decoded = decode(*type, *document, {Strictness::warn, nullptr, &warnings});
  if (!decoded.ok()) {
    ORCH_CHECK(decoded.status().code == 400);
    return 0;
  }
  const Value canonical = canonicalize(*type, *decoded);
  ORCH_CHECK(to_json(canonicalize(*type, canonical)) == to_json(canonical));
  const Value stored = read_again(*type, canonical);
  ORCH_CHECK(to_json(read_again(*type, stored)) == to_json(stored));
  return 0;
}
