// Rules as the text of iptables-save: what golden tests compare and what a person reads. Pure.
#include <cstdio>
#include <string>

#include "base/overloaded.h"
#include "netfilter/rules.h"

namespace orch::netfilter {
namespace {

std::string hex(uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%x", value);
  return text;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '\'') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string render_recent(const Recent& recent) {
  std::string out = " -m recent ";
  out += recent.verb == Recent::Verb::set
             ? "--set"
             : "--rcheck --seconds " + std::to_string(recent.seconds) + " --reap";
  return out + " --name " + recent.list + " --mask 255.255.255.255 --rsource";
}

const char* state_name(Match::State state) {
  switch (state) {
    case Match::State::fresh:
      return "NEW";
    case Match::State::flowing:
      return "RELATED,ESTABLISHED";
    case Match::State::broken:
      return "INVALID";
    case Match::State::any:
      break;
  }
  return "";
}

std::string render_match(const Match& match) {
  std::string out;
  const auto network = [&](const std::optional<Cidr>& cidr, bool inverted, const char* flag) {
    if (cidr) out += (inverted ? " ! " : " ") + std::string(flag) + " " + cidr->text();
  };
  network(match.source, match.not_source, "-s");
  network(match.destination, match.not_destination, "-d");
  const std::string protocol = !match.protocol                    ? ""
                               : *match.protocol == Protocol::tcp ? "tcp"
                                                                  : "udp";
  if (match.protocol) out += " -p " + protocol;
  if (!match.comment.empty()) out += " -m comment --comment " + quoted(match.comment);
  if (match.port_first != 0) {
    out += " -m " + protocol + " --dport " + std::to_string(match.port_first);
    if (match.port_last != match.port_first) out += ":" + std::to_string(match.port_last);
  }
  if (match.to_local_address) out += " -m addrtype --dst-type LOCAL";
  if (match.from_local_address) out += " -m addrtype --src-type LOCAL";
  if (match.marked) out += " -m mark --mark " + hex(kMasqueradeMark) + "/" + hex(kMasqueradeMark);
  if (match.state != Match::State::any)
    out += std::string(" -m conntrack --ctstate ") + state_name(match.state);
  if (match.probability != 0) {
    char text[64];
    std::snprintf(text, sizeof text, "%.11f", match.probability / 2147483648.0);
    out += std::string(" -m statistic --mode random --probability ") + text;
  }
  if (match.recent.verb != Recent::Verb::none) out += render_recent(match.recent);
  return out;
}

std::string render_target(const Target& target) {
  return std::visit(
      Overloaded{
          [](Verdict verdict) -> std::string {
            return verdict == Verdict::accept ? "ACCEPT"
                   : verdict == Verdict::drop ? "DROP"
                                              : "RETURN";
          },
          [](const Jump& jump) { return jump.chain; },
          [](const Dnat& dnat) {
            return "DNAT --to-destination " + dnat.ip.text() + ":" + std::to_string(dnat.port);
          },
          [](const SetMark& mark) {
            return "MARK --set-xmark " + hex(mark.on ? kMasqueradeMark : 0) + "/" +
                   hex(kMasqueradeMark);
          },
          [](const Masquerade&) { return std::string("MASQUERADE --random-fully"); },
          [](const Reject&) { return std::string("REJECT --reject-with icmp-port-unreachable"); },
      },
      target);
}

}  // namespace

std::string render_table(const Table& table) {
  std::string out = "*" + table.name + "\n";
  for (const Chain& chain : table.chains) out += ":" + chain.name + " - [0:0]\n";
  for (const auto* chains : {&table.jumps, &table.chains}) {
    for (const Chain& chain : *chains) {
      for (const Rule& rule : chain.rules)
        out += "-A " + chain.name + render_match(rule.match) + " -j " + render_target(rule.target) +
               "\n";
    }
  }
  return out + "COMMIT\n";
}

}  // namespace orch::netfilter
