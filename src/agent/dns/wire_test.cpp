// The codec by table, and hostile bytes.
#include "agent/dns/wire.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::dns {
namespace {

using namespace std::string_literals;

// id 0x1234, RD, one question "a.b" type A class IN.
const std::string kPlain =
    "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    "\x01"
    "a\x01"
    "b\x00\x00\x01\x00\x01"s;

std::string query_with_name(const std::string& wire_name) {
  return kPlain.substr(0, 12) + wire_name + "\x00\x01\x00\x01"s;
}

TEST_CASE("wire: reads a plain query") {
  const auto query = parse_query(kPlain);
  REQUIRE(query.ok());
  CHECK(query->id == 0x1234);
  CHECK(query->recursion_desired);
  CHECK_FALSE(query->edns);
  CHECK(query->udp_limit_bytes == kPlainUdpBytes);
  CHECK(query->question == Question{"a.b", Type::a, kClassIn});
}

TEST_CASE("wire: reads EDNS and bounds its size") {
  std::string message = render_query(7, {"web.default.svc.cluster.local", Type::srv, 1}, true);
  const auto query = parse_query(message);
  REQUIRE(query.ok());
  CHECK(query->edns);
  CHECK(query->udp_limit_bytes == kUdpBytes);
  const size_t size_at = message.size() - 8;
  message[size_at] = 0, message[size_at + 1] = 16;
  CHECK(parse_query(message)->udp_limit_bytes == kPlainUdpBytes);
  CHECK_FALSE(parse_query(render_query(7, {"a", Type::a, 1}, false))->edns);
}

TEST_CASE("wire: refuses what is no query") {
  const auto with = [](size_t at, char value) {
    std::string message = kPlain;
    message[at] = value;
    return message;
  };
  const std::string label63(63, 'x');
  std::string long_name;
  for (int i = 0; i < 4; ++i) long_name += "\x3f" + label63;
  struct Case {
    const char* what;
    std::string message;
  };
  const std::vector<Case> cases = {
      {"empty", ""},
      {"half a header", kPlain.substr(0, 11)},
      {"reply bit", with(2, '\x81')},
      {"opcode", with(2, '\x28')},
      {"no question", with(5, 0)},
      {"two questions", with(5, 2)},
      {"answers", with(7, 1)},
      {"many additional", with(11, 100)},
      {"missing additional", with(11, 1)},
      {"question cut", kPlain.substr(0, kPlain.size() - 1)},
      {"label over the end", query_with_name("\x3f"s)},
      {"pointer to itself", query_with_name("\xc0\x0c"s)},
      {"pointer forwards", query_with_name("\xc0\x20"s)},
      {"pointer ends", query_with_name("\xc0"s)},
      {"reserved label type", query_with_name("\x41"s + std::string(65, 'x') + "\0"s)},
      {"name of 257 bytes", query_with_name(long_name + "\0"s)},
  };
  for (const Case& one : cases) {
    CAPTURE(one.what);
    CHECK_FALSE(parse_query(one.message).ok());
  }
}

TEST_CASE("wire: pointers lead into no header and never round in circles") {
  // The header's bytes 4..5 are 00 01: a pointer to 4 would read the root name.
  CHECK_FALSE(parse_query(query_with_name("\x01z\xc0\x04"s)).ok());
  // Two labels that point at each other.
  const std::string loop = kPlain.substr(0, 12) + "\x01"s + "a\xc0\x10\x01" + "b\xc0\x0c"s;
  CHECK_FALSE(parse_query(loop + "\x00\x01\x00\x01"s).ok());
}

TEST_CASE("wire: odd bytes in labels survive the way in and out") {
  const std::string odd = query_with_name("\x04"s + "a.\\\xff" + "\x01"s + "b\0"s);
  const auto query = parse_query(odd);
  REQUIRE(query.ok());
  CHECK(query->question.name == "a\\046\\092\\255.b");
  const std::string reply = render_reply(*query, {}, kPlainUdpBytes);
  CHECK(reply.substr(12) == odd.substr(12));
}

TEST_CASE("wire: a reply is read back as it was written") {
  const Query query =
      *parse_query(render_query(99, {"_http._tcp.web.ns.svc.x", Type::srv, 1}, true));
  Reply reply;
  reply.authoritative = true;
  reply.answers = {{"web.ns.svc.x", Type::a, 5, *parse_ipv4("10.0.0.1")},
                   {"alias.x", Type::cname, 7, NameData{"web.ns.svc.x"}},
                   {"six.x", Type::aaaa, 9, RawData{std::string(16, '\x20')}},
                   {"_http._tcp.web.ns.svc.x", Type::srv, 5, SrvData{0, 100, 80, "web.ns.svc.x"}}};
  reply.authority = {{"x", Type::soa, 3, SoaData{"ns.x", "mail.x", 1, 2, 3, 4, 5}}};
  reply.additional = {{"x", Type::txt, 4, TextData{"1.1.0"}}};
  const std::string bytes = render_reply(query, reply, kUdpBytes);
  const auto read = parse_reply(bytes);
  REQUIRE(read.ok());
  CHECK(read->id == 99);
  CHECK(read->question == query.question);
  CHECK(read->ttl_s == 3);
  CHECK(read->ttl_offsets.size() == 6);
  CHECK_FALSE(read->truncated);
  CHECK(read->addresses == std::vector<Record>(reply.answers.begin(), reply.answers.begin() + 3));
}

TEST_CASE("wire: what does not fit is left out and said so") {
  Query query = *parse_query(kPlain);
  Reply reply;
  for (uint32_t i = 0; i < 60; ++i) reply.answers.push_back({"a.b", Type::a, 5, Ipv4{i + 1}});
  for (const size_t limit : {size_t{512}, size_t{700}, kUdpBytes}) {
    const std::string bytes = render_reply(query, reply, limit);
    CHECK(bytes.size() <= limit);
    const bool fits = limit == kUdpBytes;
    CHECK((fits || bytes.size() > limit - 16));
    CHECK(parse_reply(bytes)->truncated == !fits);
    CHECK(parse_reply(bytes)->addresses.size() == (fits ? 60 : (limit - 21) / 16));
  }
  query.edns = true;
  CHECK(render_reply(query, reply, 512).size() <= 512);
  CHECK(parse_reply(render_reply(query, reply, 512)).ok());

  // Additional records are a courtesy: no TC for them.
  std::swap(reply.answers, reply.additional);
  CHECK_FALSE(parse_reply(render_reply(query, reply, 512))->truncated);
}

TEST_CASE("wire: errors are answered with a header, replies not at all") {
  const std::string error = render_error(kPlain, Rcode::format_error);
  REQUIRE(error.size() == 12);
  CHECK(error.substr(0, 2) == "\x12\x34");
  CHECK((error[3] & 0x0f) == 1);
  CHECK(render_error("\x12\x34", Rcode::format_error).empty());
  CHECK(render_error(error, Rcode::format_error).empty());
}

TEST_CASE("wire: a reply is readdressed to another spelling of the question") {
  std::string message = render_reply(*parse_query(kPlain), {}, 512);
  Query other = *parse_query(kPlain);
  other.id = 5;
  other.question.name = "A.B";
  readdress_reply(message, other);
  CHECK(parse_reply(message)->id == 5);
  CHECK(parse_reply(message)->question.name == "A.B");
}

TEST_CASE("wire: a reply whose question is shorter than the asker's is not overwritten") {
  // Its question is "x" alone, two bytes shorter.
  std::string message("\x01x\x80\x80\x00\x01\x00\x01\x00\x00\x00\x00", 12);
  message += std::string(
      "\x01"
      "x\x00\x00\x01\x00\x01",
      7);
  Query query;
  query.id = 5;
  query.question.name = "a.x";
  const std::string before = message.substr(12);
  readdress_reply(message, query);
  CHECK(message.substr(0, 2) == std::string("\x00\x05", 2));
  CHECK(message.substr(12) == before);
}

TEST_CASE("wire: names") {
  CHECK(valid_name("a.b-c._tcp"));
  CHECK(valid_name(std::string(63, 'a')));
  for (const std::string& bad :
       {""s, "."s, "a..b"s, "a."s, std::string(64, 'a'), "a." + std::string(252, 'b')})
    CHECK_FALSE(valid_name(bad));
  CHECK(lower_name("Web.NS") == "web.ns");
}

TEST_CASE("wire: no bytes whatever lead astray") {
  // Every cut and many changed bytes of real messages; sanitizers watch.
  Reply reply;
  reply.answers = {{"alias.a.b", Type::cname, 7, NameData{"a.b"}}, {"a.b", Type::a, 5, Ipv4{1}}};
  const std::string answer = render_reply(*parse_query(kPlain), reply, 512);
  const std::string query = render_query(1, {"web.default.svc", Type::a, 1}, true);
  uint32_t state = 1;
  size_t accepted = 0;
  for (const std::string& seed : {answer, query}) {
    for (size_t cut = 0; cut <= seed.size(); ++cut) {
      accepted += parse_query(seed.substr(0, cut)).ok();
      accepted += parse_reply(seed.substr(0, cut)).ok();
    }
    for (int i = 0; i < 20'000; ++i) {
      std::string changed = seed;
      for (int k = 0; k < 3; ++k) {
        state = state * 1664525 + 1013904223;
        changed[(state >> 8) % changed.size()] = static_cast<char>(state >> 24);
      }
      const auto as_query = parse_query(changed);
      accepted += as_query.ok();
      if (as_query) accepted += render_reply(*as_query, reply, 512).size() > 12;
      accepted += parse_reply(changed).ok();
    }
  }
  CHECK(accepted > 0);
}

}  // namespace
}  // namespace orch::dns
