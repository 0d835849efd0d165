// The DNS codec; see the header. First reading (a cursor that never runs over the end), then
// writing (through wire_writer.h).
#include "agent/dns/wire.h"

#include <algorithm>
#include <optional>

#include "agent/dns/wire_writer.h"
#include "base/strings.h"

namespace orch::dns {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr uint16_t kFlagReply = 0x8000, kFlagAuthoritative = 0x0400, kFlagTruncated = 0x0200,
                   kFlagRecursionDesired = 0x0100, kFlagRecursionAvailable = 0x0080,
                   kOpcodeMask = 0x7800, kRcodeMask = 0x000f;
constexpr size_t kMaxPointers = 32;   // In one name that we read.
constexpr int kMaxQueryRecords = 4;   // Behind the question: OPT, perhaps a cookie or TSIG.
constexpr size_t kMaxWireName = 255;  // With length bytes and the root's zero.

// ---- Reading ----

class Reader {
 public:
  explicit Reader(std::string_view message) : message_(message) {}

  bool ok() const { return ok_; }
  size_t at() const { return at_; }

  uint8_t u8() {
    if (!need(1)) return 0;
    return static_cast<uint8_t>(message_[at_++]);
  }
  uint16_t u16() {
    const uint16_t high = u8();
    return static_cast<uint16_t>(high << 8 | u8());
  }
  uint32_t u32() {
    const uint32_t high = u16();
    return high << 16 | u16();
  }
  void fail() { ok_ = false; }
  void skip(size_t bytes) {
    if (need(bytes)) at_ += bytes;
  }

  // A pointer must lead to a place before the one it stands in, and before all earlier ones of the
  // name: so every step goes back, and the walk ends. No name lies in the header.
  std::string name() {
    std::string out;
    size_t wire_bytes = 1, pointers = 0, limit = at_;
    std::optional<size_t> resume;
    while (ok_) {
      const uint8_t length = u8();
      if (length == 0) break;
      if ((length & 0xc0) == 0xc0) {
        const size_t target = static_cast<size_t>(length & 0x3f) << 8 | u8();
        if (!resume) resume = at_;
        if (target < kHeaderBytes || target >= limit || ++pointers > kMaxPointers) ok_ = false;
        at_ = limit = target;
        continue;
      }
      wire_bytes += size_t{length} + 1;
      if (length > kMaxLabelBytes || wire_bytes > kMaxWireName || !need(length)) {
        ok_ = false;
        break;
      }
      if (!out.empty()) out += '.';
      for (size_t i = 0; i < length; ++i) append_escaped(out, message_[at_ + i]);
      at_ += length;
    }
    if (resume) at_ = *resume;
    return ok_ ? out : std::string();
  }

  Question question() {
    Question question;
    question.name = name();
    question.type = static_cast<Type>(u16());
    question.klass = u16();
    return question;
  }

 private:
  bool need(size_t bytes) {
    if (message_.size() - at_ < bytes) ok_ = false;
    return ok_;
  }

  static void append_escaped(std::string& out, char c) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7f && c != '.' && c != '\\') {
      out += c;
      return;
    }
    out += '\\';
    for (const int unit : {100, 10, 1}) out += static_cast<char>('0' + byte / unit % 10);
  }

  std::string_view message_;
  size_t at_ = 0;
  bool ok_ = true;
};

struct Header {
  uint16_t id = 0, flags = 0;
  uint16_t questions = 0, answers = 0, authority = 0, additional = 0;
};

Header read_header(Reader& reader) {
  Header header;
  header.id = reader.u16();
  header.flags = reader.u16();
  header.questions = reader.u16();
  header.answers = reader.u16();
  header.authority = reader.u16();
  header.additional = reader.u16();
  return header;
}

// Reads a record's data where it is of use to us, and skips it otherwise.
bool read_address(Reader& reader, Record& record) {
  const size_t length = reader.u16();
  const size_t end = reader.at() + length;
  if (record.type == Type::a && length == 4) {
    record.data = Ipv4{reader.u32()};
  } else if (record.type == Type::aaaa && length == 16) {
    RawData data;
    for (size_t i = 0; i < length; ++i) data.bytes += static_cast<char>(reader.u8());
    record.data = std::move(data);
  } else if (record.type == Type::cname) {
    record.data = NameData{reader.name()};
    if (reader.at() != end) reader.fail();
  } else {
    reader.skip(length);
    return false;
  }
  return reader.ok();
}

// ---- Writing ----

void write_header(Writer& out, uint16_t id, uint16_t flags) {
  out.u16(id);
  out.u16(flags);
  for (int i = 0; i < 4; ++i) out.u16(0);  // Counts; set when they are known.
}

void write_question(Writer& out, const Question& question) {
  out.name(question.name);
  out.u16(static_cast<uint16_t>(question.type));
  out.u16(question.klass);
  out.set_u16(4, 1);
}

constexpr size_t kOptBytes = 11;

void write_opt(Writer& out) {
  out.u8(0);  // Root.
  out.u16(static_cast<uint16_t>(Type::opt));
  out.u16(kUdpBytes);  // In the place of the class: how much we take over UDP.
  out.u32(0);          // Extended rcode, version 0, no flags.
  out.u16(0);
}

// Writes what fits and sets the count. False when something was left out.
bool write_section(Writer& out, const std::vector<Record>& records, size_t count_at,
                   size_t limit_bytes) {
  uint16_t count = 0;
  for (const Record& record : records) {
    const size_t before = out.size();
    out.record(record);
    if (out.size() > limit_bytes) {
      out.cut(before);
      return false;
    }
    out.set_u16(count_at, ++count);
  }
  return true;
}

}  // namespace

Result<Query> parse_query(std::string_view message) {
  Reader reader(message.substr(0, kMaxMessageBytes));
  const Header header = read_header(reader);
  if (!reader.ok()) return bad_request("DNS: shorter than a header");
  if (header.flags & kFlagReply) return bad_request("DNS: a reply where a query was due");
  if (header.flags & kOpcodeMask) return bad_request("DNS: not a plain query");
  if (header.questions != 1) return bad_request("DNS: not exactly one question");
  const int records = header.answers + header.authority + header.additional;
  if (header.answers != 0 || records > kMaxQueryRecords)
    return bad_request("DNS: records where none belong");

  Query query;
  query.id = header.id;
  query.recursion_desired = header.flags & kFlagRecursionDesired;
  query.question = reader.question();
  for (int i = 0; i < records && reader.ok(); ++i) {
    reader.name();
    const auto type = static_cast<Type>(reader.u16());
    const uint16_t klass = reader.u16();
    reader.u32();
    reader.skip(reader.u16());
    if (type != Type::opt) continue;
    if (query.edns) return bad_request("DNS: two OPT records");
    query.edns = true;
    query.udp_limit_bytes = std::clamp<size_t>(klass, kPlainUdpBytes, kUdpBytes);
  }
  if (!reader.ok()) return bad_request("DNS: malformed query");
  return query;
}

std::string render_reply(const Query& query, const Reply& reply, size_t limit_bytes) {
  uint16_t flags = kFlagReply | kFlagRecursionAvailable | static_cast<uint16_t>(reply.rcode);
  if (query.recursion_desired) flags |= kFlagRecursionDesired;
  if (reply.authoritative) flags |= kFlagAuthoritative;
  const size_t limit = std::min(limit_bytes, kMaxMessageBytes) - (query.edns ? kOptBytes : 0);

  Writer out;
  write_header(out, query.id, flags);
  write_question(out, query.question);
  if (!write_section(out, reply.answers, 6, limit) ||
      !write_section(out, reply.authority, 8, limit)) {
    out.set_u16(2, flags | kFlagTruncated);
  } else {
    write_section(out, reply.additional, 10, limit);  // Mere courtesy: may be left out silently.
  }
  if (query.edns) {
    const std::string& bytes = out.bytes();
    const auto count = static_cast<uint16_t>(static_cast<uint8_t>(bytes[10]) << 8 |
                                             static_cast<uint8_t>(bytes[11]));
    write_opt(out);
    out.set_u16(10, static_cast<uint16_t>(count + 1));
  }
  return out.bytes();
}

std::string render_error(std::string_view message, Rcode rcode) {
  Reader reader(message);
  const Header header = read_header(reader);
  if (!reader.ok() || (header.flags & kFlagReply)) return {};
  Writer out;
  write_header(out, header.id,
               static_cast<uint16_t>(kFlagReply | kFlagRecursionAvailable |
                                     (header.flags & (kOpcodeMask | kFlagRecursionDesired)) |
                                     static_cast<uint16_t>(rcode)));
  return out.bytes();
}

std::string render_query(uint16_t id, const Question& question, bool edns) {
  Writer out;
  write_header(out, id, kFlagRecursionDesired);
  write_question(out, question);
  if (edns) {
    write_opt(out);
    out.set_u16(10, 1);
  }
  return out.bytes();
}

void readdress_reply(std::string& message, const Query& query) {
  Writer head;
  head.u16(query.id);
  message.replace(0, 2, head.bytes());
  Writer question;
  question.name(query.question.name);
  Reader reader(message);
  read_header(reader);
  reader.name();
  // An upstream may have written the name in another way: with a pointer, it is shorter.
  if (reader.ok() && reader.at() == kHeaderBytes + question.size())
    message.replace(kHeaderBytes, question.size(), question.bytes());
}

Result<Relayed> parse_reply(std::string_view message) {
  if (message.size() > kMaxMessageBytes) return bad_request("DNS: reply too long");
  Reader reader(message);
  const Header header = read_header(reader);
  if (!reader.ok() || !(header.flags & kFlagReply)) return bad_request("DNS: no reply");
  if (header.questions != 1) return bad_request("DNS: reply without its question");
  Relayed out;
  out.id = header.id;
  out.truncated = header.flags & kFlagTruncated;
  out.rcode = static_cast<Rcode>(header.flags & kRcodeMask);
  out.question = reader.question();
  const int records = header.answers + header.authority + header.additional;
  if (records > kMaxRecords) return bad_request("DNS: reply with too many records");
  for (int i = 0; i < records && reader.ok(); ++i) {
    Record record;
    record.name = reader.name();
    record.type = static_cast<Type>(reader.u16());
    reader.u16();
    const size_t ttl_at = reader.at();
    record.ttl_s = reader.u32();
    const bool useful = read_address(reader, record);
    if (record.type == Type::opt || !reader.ok()) continue;  // An OPT's "TTL" is flags.
    out.ttl_s = out.ttl_offsets.empty() ? record.ttl_s : std::min(out.ttl_s, record.ttl_s);
    out.ttl_offsets.push_back(static_cast<uint16_t>(ttl_at));
    if (useful && i < header.answers) out.addresses.push_back(std::move(record));
  }
  if (!reader.ok()) return bad_request("DNS: malformed reply");
  return out;
}

bool valid_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes) return false;
  const auto labels = split(name, '.');
  return std::all_of(labels.begin(), labels.end(), [](std::string_view label) {
    return !label.empty() && label.size() <= kMaxLabelBytes;
  });
}

std::string lower_name(std::string_view name) {
  std::string out(name);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace orch::dns
