// WebSocketDecoder on arbitrary bytes: never crashes, never keeps more than its limit, and gives
// the same messages however the bytes are cut.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "http/websocket.h"

using namespace orch;
using namespace orch::http;

namespace {

constexpr size_t max_message_bytes = 1000;

struct Outcome {
  std::vector<WebSocketMessage> messages;
  int error = 0;
};

Outcome decode(std::string_view bytes, size_t step, WebSocketRole self) {
  WebSocketDecoder decoder(self, max_message_bytes);
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
      ORCH_CHECK((*next)->payload.size() <= max_message_bytes);
      outcome.messages.push_back(std::move(**next));
    }
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const auto self = data[0] & 1 ? WebSocketRole::server : WebSocketRole::client;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (bytes.empty()) return 0;
  const Outcome whole = decode(bytes, bytes.size(), self);
  const Outcome cut = decode(bytes, 1 + data[0] / 2, self);
  ORCH_CHECK(whole.error == cut.error);
  ORCH_CHECK(whole.messages.size() == cut.messages.size());
  for (size_t i = 0; i < whole.messages.size(); ++i)
    ORCH_CHECK(whole.messages[i].payload == cut.messages[i].payload);
  return 0;
}
