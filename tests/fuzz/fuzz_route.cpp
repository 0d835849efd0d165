// Requests: any method and target give a Target within its limits or a 4xx; a found resource has
// what its scope asks for. The first line is the method, the rest the target.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "server/apiserver/route.h"

using namespace orch;
using namespace orch::apiserver;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\n');
  if (end == text.npos) return 0;
  const auto target = route(api::Schema::builtin(), text.substr(0, end), text.substr(end + 1));
  if (!target.ok()) {
    ORCH_CHECK(target.status().code >= 400 && target.status().code < 500);
    return 0;
  }
  ORCH_CHECK(target->path.starts_with("/"));
  if (!target->resource) {
    ORCH_CHECK(!target->subresource);
    return 0;
  }
  ORCH_CHECK(target->resource->namespaced || target->ns.empty() || target->subresource ||
             target->resource->plural == "namespaces");
  // Names become parts of store keys: neither a separator nor a way out may stand in them.
  for (const std::string& part : {target->ns, target->name}) {
    ORCH_CHECK(part.find('/') == part.npos && part != ".." && part != ".");
    ORCH_CHECK(part.find('\0') == part.npos);
  }
  ORCH_CHECK(target->proxy_path.empty() || target->proxy_path.front() == '/');
  return 0;
}
