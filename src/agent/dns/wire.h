// wire: DNS messages as bytes and as values.
//
// Reads questions from anyone and answers from upstream resolvers, so every length is checked and
// every limit is named; compression pointers may only point backwards, so no name can loop. Pure.
// Follows RFC 1035 (messages), 2782 (SRV), 3596 (AAAA), 6891 (EDNS0).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/net_address.h"
#include "base/result.h"

namespace orch::dns {

inline constexpr size_t kMaxNameBytes = 253;  // As text, without the last dot.
inline constexpr size_t kMaxLabelBytes = 63;
inline constexpr size_t kMaxMessageBytes = 65535;
inline constexpr size_t kPlainUdpBytes = 512;  // What a client without EDNS takes.
inline constexpr size_t kUdpBytes = 1232;      // What we offer and send at most over UDP.
inline constexpr int kMaxRecords = 512;        // Of one message that we read.

enum class Type : uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  soa = 6,
  ptr = 12,
  txt = 16,
  aaaa = 28,
  srv = 33,
  opt = 41,
  any = 255
};
enum class Rcode : uint8_t {
  no_error = 0,
  format_error = 1,
  server_failure = 2,
  name_error = 3,  // NXDOMAIN
  not_implemented = 4,
  refused = 5
};
inline constexpr uint16_t kClassIn = 1;

// Names are text without the last dot ("web.default.svc.cluster.local"); a dot or backslash inside
// a label, or a byte that is no printable character, is written as \DDD. Case is kept; compare
// without it.
struct Question {
  std::string name;
  Type type = Type::a;
  uint16_t klass = kClassIn;

  bool operator==(const Question&) const = default;
};

struct SrvData {
  uint16_t priority = 0, weight = 0, port = 0;
  std::string target;
  bool operator==(const SrvData&) const = default;
};
struct SoaData {
  std::string primary, mailbox;
  uint32_t serial = 0, refresh_s = 0, retry_s = 0, expire_s = 0, minimum_s = 0;
  bool operator==(const SoaData&) const = default;
};
struct NameData {  // CNAME, PTR, NS.
  std::string name;
  bool operator==(const NameData&) const = default;
};
struct TextData {
  std::string text;  // At most 255 bytes.
  bool operator==(const TextData&) const = default;
};
struct RawData {  // As on the wire, for data without names in it (AAAA).
  std::string bytes;
  bool operator==(const RawData&) const = default;
};
using Data = std::variant<Ipv4, NameData, SrvData, SoaData, TextData, RawData>;

struct Record {
  std::string name;
  Type type = Type::a;
  uint32_t ttl_s = 0;
  Data data;

  bool operator==(const Record&) const = default;
};

// A question as it came in.
struct Query {
  uint16_t id = 0;
  bool recursion_desired = false;
  bool edns = false;
  size_t udp_limit_bytes = kPlainUdpBytes;  // How much the client takes over UDP.
  Question question;
};

// Reads one query with exactly one question. 400 for anything else; then `id_of` may still answer.
Result<Query> parse_query(std::string_view message);

struct Reply {
  Rcode rcode = Rcode::no_error;
  bool authoritative = false;
  std::vector<Record> answers, authority, additional;
};
// The bytes of the answer to `query`, at most `limit_bytes` long (>= kPlainUdpBytes): what does not
// fit is left out, record by record from the end, and TC is set when answers are missing.
std::string render_reply(const Query& query, const Reply& reply, size_t limit_bytes);

// The reply to a message that parse_query refused: header only. Empty when `message` is too short
// to answer or is itself a reply.
std::string render_error(std::string_view message, Rcode rcode);

// A query of ours to an upstream resolver.
std::string render_query(uint16_t id, const Question& question, bool edns);

// Makes an upstream's reply to the same question the reply to `query`: its id, and its spelling of
// the name.
void readdress_reply(std::string& message, const Query& query);

// What the forwarder must know of an upstream's answer. The bytes themselves are passed on.
struct Relayed {
  uint16_t id = 0;
  bool truncated = false;
  Rcode rcode = Rcode::no_error;
  Question question;
  uint32_t ttl_s = 0;                 // Least TTL of all records; 0 with none at all.
  std::vector<uint16_t> ttl_offsets;  // Where the TTLs stand in the bytes.
  std::vector<Record> addresses;      // The A, AAAA and CNAME records of the answer, to be re-used.
};
// Walks a whole reply. 400 when it is malformed or no reply.
Result<Relayed> parse_reply(std::string_view message);

// True when `name` can be put on the wire: labels of 1..63 bytes, 253 in all.
bool valid_name(std::string_view name);

// ASCII lower case, as names are compared.
std::string lower_name(std::string_view name);

}  // namespace orch::dns
