// ResponseParser on what a registry, an issuer, a webhook's or another server may answer: never
// crashes, holds its limits, and reads a response the same way however its bytes were cut.
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
  bool refused = false;
  bool head_done = false, done = false;
  Response head;
  std::string body;
  size_t used = 0;
};

Outcome parse(std::string_view bytes, size_t step, bool head_request) {
  ResponseParser parser(limits, head_request);
  Outcome outcome;
  std::string input;
  for (size_t at = 0; at < bytes.size() && !parser.done(); at += step) {
    input.append(bytes.substr(at, step));
    const Result<size_t> used = parser.feed(input);
    if (!used.ok()) {
      ORCH_CHECK(used.status().code >= 400);
      outcome.refused = true;
      return outcome;
    }
    ORCH_CHECK(*used <= input.size());
    input.erase(0, *used);
    outcome.used += *used;
    ORCH_CHECK(parser.body().size() <= limits.body_bytes);
  }
  if (!parser.done()) (void)parser.feed_eof();
  outcome.head_done = parser.head_done();
  outcome.done = parser.done();
  outcome.head = std::move(parser.head());
  outcome.body = std::move(parser.body());
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool head_request = data[0] >= 128;
  const Outcome whole = parse(bytes, bytes.size(), head_request);
  const Outcome cut = parse(bytes, 1 + data[0] % 128, head_request);
  if (whole.refused || cut.refused) return 0;
  ORCH_CHECK(whole.head_done == cut.head_done && whole.done == cut.done);
  ORCH_CHECK(whole.body == cut.body);
  // Of a head or a chunk's line that isn't whole, more or less may have been taken already.
  if (whole.done) ORCH_CHECK(whole.used == cut.used);
  if (head_request && whole.done) ORCH_CHECK(whole.body.empty());
  if (!whole.head_done) return 0;
  ORCH_CHECK(whole.head.status == cut.head.status);
  ORCH_CHECK(whole.head.headers.fields() == cut.head.headers.fields());
  return 0;
}
