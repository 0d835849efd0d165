// Rule → ipt_entry; the structures are those of the kernel's uapi headers.
#include "netfilter/encode.h"

#include <arpa/inet.h>
#include <net/if.h>
// The kernel's headers define what <net/if.h> defines unless that came first.
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/overloaded.h"

namespace orch::netfilter {
namespace {

void copy_name(char* to, size_t capacity, std::string_view name) {
  ORCH_CHECK(name.size() < capacity);  // The target is zeroed, so the end is there.
  std::memcpy(to, name.data(), name.size());
}

// Appends a match (or target: the two headers have the same layout) with its data, both aligned.
template <class Data>
void append_extension(std::string& entry, std::string_view name, uint8_t revision,
                      const Data& data) {
  static_assert(sizeof(xt_entry_match) == sizeof(xt_entry_target));
  const size_t header_bytes = XT_ALIGN(sizeof(xt_entry_match));
  xt_entry_match header{};
  header.u.user.match_size = static_cast<uint16_t>(header_bytes + XT_ALIGN(sizeof data));
  header.u.user.revision = revision;
  copy_name(header.u.user.name, sizeof header.u.user.name, name);
  const size_t at = entry.size();
  entry.resize(at + header.u.user.match_size);
  std::memcpy(&entry[at], &header, sizeof header);
  std::memcpy(&entry[at + header_bytes], &data, sizeof data);
}

void append_port(std::string& entry, const Match& match) {
  ORCH_CHECK(match.protocol.has_value());
  if (*match.protocol == Protocol::tcp) {
    xt_tcp data{};
    data.spts[1] = 0xffff;
    data.dpts[0] = match.port_first;
    data.dpts[1] = match.port_last;
    append_extension(entry, "tcp", 0, data);
  } else {
    xt_udp data{};
    data.spts[1] = 0xffff;
    data.dpts[0] = match.port_first;
    data.dpts[1] = match.port_last;
    append_extension(entry, "udp", 0, data);
  }
}

void append_state(std::string& entry, Match::State state) {
  xt_conntrack_mtinfo3 data{};
  data.match_flags = XT_CONNTRACK_STATE;
  switch (state) {
    case Match::State::fresh:
      data.state_mask = XT_CONNTRACK_STATE_BIT(IP_CT_NEW);
      break;
    case Match::State::flowing:
      data.state_mask =
          XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED) | XT_CONNTRACK_STATE_BIT(IP_CT_RELATED);
      break;
    case Match::State::broken:
      data.state_mask = XT_CONNTRACK_STATE_INVALID;
      break;
    case Match::State::any:
      break;
  }
  append_extension(entry, "conntrack", 3, data);
}

void append_recent(std::string& entry, const Recent& recent) {
  xt_recent_mtinfo_v1 data{};
  data.side = XT_RECENT_SOURCE;
  std::memset(&data.mask, 0xff, sizeof data.mask);
  copy_name(data.name, sizeof data.name, recent.list);
  if (recent.verb == Recent::Verb::set) {
    data.check_set = XT_RECENT_SET;
  } else {
    data.check_set = XT_RECENT_CHECK | XT_RECENT_REAP;
    data.seconds = recent.seconds;
  }
  append_extension(entry, "recent", 1, data);
}

// In the order of render_table, so that the kernel prints what the golden tests hold.
void append_matches(std::string& entry, const Match& match) {
  if (!match.comment.empty()) {
    xt_comment_info data{};
    copy_name(data.comment, sizeof data.comment, match.comment);
    append_extension(entry, "comment", 0, data);
  }
  if (match.port_first != 0) append_port(entry, match);
  if (match.to_local_address || match.from_local_address) {
    xt_addrtype_info_v1 data{};
    if (match.to_local_address) data.dest = XT_ADDRTYPE_LOCAL;
    if (match.from_local_address) data.source = XT_ADDRTYPE_LOCAL;
    append_extension(entry, "addrtype", 1, data);
  }
  if (match.marked) {
    xt_mark_mtinfo1 data{};
    data.mark = data.mask = kMasqueradeMark;
    append_extension(entry, "mark", 1, data);
  }
  if (match.state != Match::State::any) append_state(entry, match.state);
  if (match.probability != 0) {
    xt_statistic_info data{};
    data.mode = XT_STATISTIC_MODE_RANDOM;
    data.u.random.probability = match.probability;
    append_extension(entry, "statistic", 0, data);
  }
  if (match.recent.verb != Recent::Verb::none) append_recent(entry, match.recent);
}

void append_target(std::string& entry, const Target& target) {
  const auto standard = [&](std::string_view name) { append_extension(entry, name, 0, int{0}); };
  std::visit(Overloaded{
                 [&](Verdict verdict) {
                   standard(verdict == Verdict::accept ? "ACCEPT"
                            : verdict == Verdict::drop ? "DROP"
                                                       : "RETURN");
                 },
                 [&](const Jump& jump) { standard(jump.chain); },
                 [&](const Dnat& dnat) {  // Revision 0 works too, but iptables-save can't print it.
                   nf_nat_range2 data{};
                   data.flags = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED;
                   data.min_addr.ip = data.max_addr.ip = htonl(dnat.ip.value);
                   data.min_proto.all = data.max_proto.all = htons(dnat.port);
                   append_extension(entry, "DNAT", 2, data);
                 },
                 [&](const SetMark& mark) {
                   xt_mark_tginfo2 data{};
                   data.mark = mark.on ? kMasqueradeMark : 0;
                   data.mask = kMasqueradeMark;
                   append_extension(entry, "MARK", 2, data);
                 },
                 [&](const Masquerade&) {
                   nf_nat_ipv4_multi_range_compat data{};
                   data.rangesize = 1;
                   data.range[0].flags = NF_NAT_RANGE_PROTO_RANDOM_FULLY;
                   append_extension(entry, "MASQUERADE", 0, data);
                 },
                 [&](const Reject&) {
                   ipt_reject_info data{};
                   data.with = IPT_ICMP_PORT_UNREACHABLE;
                   append_extension(entry, "REJECT", 0, data);
                 },
             },
             target);
}

// Verdicts and jumps: the kernel leaves their name empty, encode_rule writes it out.
bool is_standard(std::string_view target_name) {
  return target_name.empty() || target_name == "ACCEPT" || target_name == "DROP" ||
         target_name == "RETURN" || target_name.starts_with(kChainPrefix);
}

std::string_view name_of(const char* name, size_t capacity) {
  return {name, strnlen(name, capacity)};
}

}  // namespace

std::string encode_rule(const Rule& rule) {
  const Match& match = rule.match;
  ipt_ip ip{};
  if (match.source) {
    ip.src.s_addr = htonl(match.source->base.value);
    ip.smsk.s_addr = htonl(match.source->mask());
    if (match.not_source) ip.invflags |= IPT_INV_SRCIP;
  }
  if (match.destination) {
    ip.dst.s_addr = htonl(match.destination->base.value);
    ip.dmsk.s_addr = htonl(match.destination->mask());
    if (match.not_destination) ip.invflags |= IPT_INV_DSTIP;
  }
  if (match.protocol) ip.proto = static_cast<uint16_t>(*match.protocol);

  std::string bytes(XT_ALIGN(sizeof(ipt_entry)), '\0');
  append_matches(bytes, match);
  const size_t target_offset = bytes.size();
  append_target(bytes, rule.target);
  ipt_entry entry{};
  entry.ip = ip;
  entry.target_offset = static_cast<uint16_t>(target_offset);
  entry.next_offset = static_cast<uint16_t>(bytes.size());
  std::memcpy(bytes.data(), &entry, sizeof entry);
  return bytes;
}

std::string normal_form(const ipt_entry& entry, std::string_view target) {
  const char* base = reinterpret_cast<const char*>(&entry);
  std::string out(reinterpret_cast<const char*>(&entry.ip), sizeof entry.ip);
  const size_t header_bytes = XT_ALIGN(sizeof(xt_entry_match));
  const auto append = [&](std::string_view name, uint8_t revision, const char* data, size_t bytes) {
    out += name;
    out += '\0';
    out += static_cast<char>(revision);
    out.append(data, bytes);
  };
  for (size_t at = sizeof(ipt_entry); at < entry.target_offset;) {
    const auto* match = reinterpret_cast<const xt_entry_match*>(base + at);
    const std::string_view name = name_of(match->u.user.name, sizeof match->u.user.name);
    size_t data_bytes = match->u.match_size - header_bytes;
    // Behind the user's part of a statistic stands a pointer of the kernel's own.
    if (name == "statistic") data_bytes = std::min(data_bytes, offsetof(xt_statistic_info, master));
    append(name, match->u.user.revision, base + at + header_bytes, data_bytes);
    at += match->u.match_size;
  }
  const auto* to = reinterpret_cast<const xt_entry_target*>(base + entry.target_offset);
  if (is_standard(name_of(to->u.user.name, sizeof to->u.user.name))) {
    append(target, 0, nullptr, 0);
  } else {
    append(target, to->u.user.revision, base + entry.target_offset + header_bytes,
           to->u.target_size - header_bytes);
  }
  return out;
}

}  // namespace orch::netfilter
