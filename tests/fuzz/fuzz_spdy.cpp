// The SPDY decoder on arbitrary bytes: never crashes, never keeps more than its limits, and gives
// the same frames however the bytes are cut; what it has read it reads again when written anew.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "http/spdy.h"

using namespace orch;
using namespace orch::http::spdy;

namespace {

struct Outcome {
  std::vector<Frame> frames;
  int error = 0;
};

Outcome decode(std::string_view bytes, size_t step) {
  Decoder decoder;
  Outcome outcome;
  for (size_t at = 0; at < bytes.size(); at += step) {
    decoder.append(bytes.substr(at, step));
    for (;;) {
      auto next = decoder.next();
      if (!next.ok()) {
        outcome.error = next.status().code;
        return outcome;
      }
      if (!*next) break;
      outcome.frames.push_back(std::move(**next));
    }
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = decode(bytes, bytes.size());
  const Outcome cut = decode(bytes, 1 + data[0] / 2);
  ORCH_CHECK(whole.error == cut.error && whole.frames == cut.frames);
  Encoder encoder;
  std::string again;
  for (const Frame& frame : whole.frames) again += encoder.encode(frame);
  ORCH_CHECK(decode(again, again.size() + 1).frames == whole.frames);
  return 0;
}
