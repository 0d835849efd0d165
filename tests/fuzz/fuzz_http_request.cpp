// RequestParser on arbitrary bytes: never crashes, holds its limits, and reads a request the same
// way however its bytes were cut.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/parser.h"

using namespace orch;
using namespace orch::http;

namespace {

constexpr MessageLimits limits{2048, 1000};

struct Outcome {
  bool done = false;
  Request request;
};

Outcome parse(std::string_view bytes, size_t step) {
  RequestParser parser(limits);
  std::string input;
  for (size_t at = 0; at < bytes.size() && !parser.done(); at += step) {
    input.append(bytes.substr(at, step));
    const Result<size_t> used = parser.feed(input);
    if (!used.ok()) {
      ORCH_CHECK(used.status().code >= 400);
      return {};
    }
    ORCH_CHECK(*used <= input.size());
    input.erase(0, *used);
  }
  if (!parser.done()) return {};
  ORCH_CHECK(parser.request().body.size() <= limits.body_bytes);
  return {true, std::move(parser.request())};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = parse(bytes, bytes.size());
  const Outcome cut = parse(bytes, 1 + data[0]);
  if (!whole.done || !cut.done) return 0;
  ORCH_CHECK(whole.request.method == cut.request.method);
  ORCH_CHECK(whole.request.target == cut.request.target);
  ORCH_CHECK(whole.request.headers.fields() == cut.request.headers.fields());
  ORCH_CHECK(whole.request.body == cut.request.body);
  return 0;
}
