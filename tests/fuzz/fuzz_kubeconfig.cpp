// Kubeconfigs: any text gives access to one cluster or a Status, and reads no file that it doesn't
// name; what was read can be rendered and read again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "client/kubeconfig.h"

using namespace orch;
using namespace orch::client;

namespace {

Result<std::string> read_named(const std::string& path) {
  ORCH_CHECK(!path.empty());
  return "content of " + path;
}

Result<std::string> read_nothing(const std::string&) { ORCH_CHECK(!"everything is inline"); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto access = parse_kubeconfig({reinterpret_cast<const char*>(data), size}, read_named);
  if (!access.ok()) return 0;
  const auto again = parse_kubeconfig(render_kubeconfig(*access), read_nothing);
  ORCH_CHECK(again.ok());
  ORCH_CHECK(again->url == access->url && again->ca == access->ca);
  ORCH_CHECK(again->certificate == access->certificate);
  ORCH_CHECK(again->private_key == access->private_key && again->token == access->token);
  ORCH_CHECK(again->server_name == access->server_name && again->ns == access->ns);
  return 0;
}
