// DNS messages from anyone: read as a query and as an upstream's reply. What is read can be
// answered within the client's limit, and offsets that are given lie inside of the message.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/dns/wire.h"
#include "base/check.h"

using namespace orch;
using namespace orch::dns;

namespace {

void check_query(std::string_view message) {
  const auto query = parse_query(message);
  const std::string error = render_error(message, Rcode::format_error);
  ORCH_CHECK(error.size() <= kPlainUdpBytes);
  if (!query.ok()) return;
  const Question& question = query->question;
  const auto again = parse_query(render_query(query->id, question, query->edns));
  ORCH_CHECK(again.ok());
  ORCH_CHECK(again->question == question && again->id == query->id);

  Reply reply;
  for (int i = 0; i < 60; ++i)
    reply.answers.push_back({question.name, Type::txt, 30, TextData{std::string(200, 'x')}});
  const std::string bytes = render_reply(*query, reply, kPlainUdpBytes);
  ORCH_CHECK(bytes.size() <= kPlainUdpBytes);
  const auto read_back = parse_reply(bytes);
  ORCH_CHECK(read_back.ok());
  ORCH_CHECK(read_back->truncated && read_back->question == question);
}

void check_reply(std::string_view message) {
  const auto reply = parse_reply(message);
  if (!reply.ok()) return;
  for (const uint16_t offset : reply->ttl_offsets) ORCH_CHECK(offset + 4u <= message.size());
  ORCH_CHECK(reply->addresses.size() <= static_cast<size_t>(kMaxRecords));
  std::string readdressed(message);
  Query query;
  query.id = 0x1234;
  query.question = reply->question;
  readdress_reply(readdressed, query);
  const auto again = parse_reply(readdressed);
  ORCH_CHECK(again.ok());
  ORCH_CHECK(again->id == query.id && again->ttl_s == reply->ttl_s);
  ORCH_CHECK(again->addresses == reply->addresses);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  check_query(message);
  check_reply(message);
  valid_name(message);
  return 0;
}
