// Names of the cluster → records; see the header.
#include "agent/dns/zone.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"

namespace orch::dns {
namespace {

constexpr std::string_view kReverseDomain = ".in-addr.arpa";
constexpr const char* kSpecVersion = "1.1.0";  // Of the DNS specification that we follow.
constexpr uint32_t kSoaRefresh_s = 7200, kSoaRetry_s = 1800, kSoaExpire_s = 86400;
constexpr uint16_t kSrvWeight = 100;  // Shared by the endpoints of a headless service.

std::string dashed(Ipv4 ip) {
  std::string text = ip.text();
  std::replace(text.begin(), text.end(), '.', '-');
  return text;
}

std::optional<Ipv4> parse_dashed(std::string_view text) {
  std::string dotted(text);
  if (dotted.find('.') != std::string::npos) return std::nullopt;
  std::replace(dotted.begin(), dotted.end(), '-', '.');
  return parse_ipv4(dotted);
}

std::string host_of(const ZoneEndpoint& endpoint) {
  return endpoint.hostname.empty() ? dashed(endpoint.ip) : endpoint.hostname;
}

// "4.3.2.1.in-addr.arpa" → 1.2.3.4.
std::optional<Ipv4> parse_reverse(std::string_view name) {
  if (!name.ends_with(kReverseDomain)) return std::nullopt;
  const auto backwards = parse_ipv4(name.substr(0, name.size() - kReverseDomain.size()));
  if (!backwards) return std::nullopt;
  return Ipv4{__builtin_bswap32(backwards->value)};
}

bool visible(const ZoneService& service, const ZoneEndpoint& endpoint) {
  return endpoint.ready || service.publish_not_ready;
}

bool headless(const ZoneService& service) {
  return !service.cluster_ip.is_set() && service.external_name.empty();
}

bool asks_for(const Question& question, Type type) {
  return question.type == type || question.type == Type::any;
}

}  // namespace

Zone::Zone(ZoneData data) : data_(std::move(data)) {
  data_.domain = lower_name(data_.domain);
  ORCH_CHECK(valid_name(data_.domain));  // The configuration's reader has seen to that.
  for (const ZoneService& service : data_.services) {
    if (!valid_name(name_of(service))) continue;
    if (!service.external_name.empty() && !valid_name(service.external_name)) continue;
    by_name_.emplace(service.name + "." + service.ns, &service);
    namespaces_.insert(service.ns);
    if (service.cluster_ip.is_set()) by_ip_.insert_or_assign(service.cluster_ip, Owner{&service});
    if (!headless(service)) continue;
    for (const ZoneEndpoint& endpoint : service.endpoints) {
      if (visible(service, endpoint) && valid_name(name_of(service, endpoint)))
        by_ip_.emplace(endpoint.ip, Owner{&service, &endpoint});
    }
  }
}

Zone::Answer Zone::answer(const Question& question, Random& random) const {
  const Asked asked{question, random};
  const std::string name = lower_name(question.name);
  if (const auto ip = parse_reverse(name)) {
    const auto owner = by_ip_.find(*ip);
    return owner == by_ip_.end() ? Answer{} : reverse_answer(owner->second, asked);
  }
  if (name == data_.domain) {
    Answer apex = negative(Rcode::no_error);
    if (asks_for(question, Type::soa)) apex.answers.swap(apex.authority);
    return apex;
  }
  if (!name.ends_with("." + data_.domain)) return {};
  return below_domain(std::string_view(name).substr(0, name.size() - data_.domain.size() - 1),
                      asked);
}

Zone::Answer Zone::below_domain(std::string_view name, const Asked& asked) const {
  if (name == "dns-version") return positive(asked, Type::txt, TextData{kSpecVersion});
  const auto labels = split(name, '.');
  const size_t count = labels.size();
  if (labels.back() == "pod") {
    const auto ip = count == 3 ? parse_dashed(labels[0]) : std::nullopt;
    if (ip) return positive(asked, Type::a, *ip);
    return negative(count == 1 ? Rcode::no_error : Rcode::name_error);
  }
  if (labels.back() != "svc") return negative(Rcode::name_error);
  // Names that exist only because something stands below them have no records of their own.
  if (count == 1) return negative(Rcode::no_error);
  const std::string_view ns = labels[count - 2];
  if (count == 2)
    return negative(namespaces_.contains(std::string(ns)) ? Rcode::no_error : Rcode::name_error);
  const ZoneService* service = find(labels[count - 3], ns);
  if (!service) return negative(Rcode::name_error);
  if (count == 3) return service_answer(*service, asked);
  const std::string_view next = labels[count - 4];
  if (count == 4 && !next.starts_with('_')) return endpoint_answer(*service, next, asked);
  if (count == 5 && next.starts_with('_') && labels[0].starts_with('_'))
    return srv_answer(*service, labels[0].substr(1), next.substr(1), asked);
  const bool stands_above = count == 4 && (next == "_tcp" || next == "_udp" || next == "_sctp");
  return negative(stands_above ? Rcode::no_error : Rcode::name_error);
}

Zone::Answer Zone::service_answer(const ZoneService& service, const Asked& asked) const {
  if (!service.external_name.empty()) {
    Answer answer{.ours = true};
    answer.answers.push_back(
        {asked.question.name, Type::cname, kZoneTtl_s, NameData{service.external_name}});
    return answer;
  }
  if (asked.question.type == Type::srv) return srv_answer(service, "", "", asked);
  if (!headless(service)) return addresses({service.cluster_ip}, asked);
  std::vector<Ipv4> ips;
  for (const ZoneEndpoint& endpoint : service.endpoints) {
    if (visible(service, endpoint)) ips.push_back(endpoint.ip);
  }
  return addresses(std::move(ips), asked);
}

Zone::Answer Zone::endpoint_answer(const ZoneService& service, std::string_view host,
                                   const Asked& asked) const {
  std::vector<Ipv4> ips;
  for (const ZoneEndpoint& endpoint : service.endpoints) {
    if (headless(service) && visible(service, endpoint) && host_of(endpoint) == host)
      ips.push_back(endpoint.ip);
  }
  return addresses(std::move(ips), asked);
}

// An empty `protocol` stands for all ports.
Zone::Answer Zone::srv_answer(const ZoneService& service, std::string_view port,
                              std::string_view protocol, const Asked& asked) const {
  const auto wanted = [&](const ServicePort& candidate) {
    return protocol.empty() || (candidate.name == port && candidate.protocol == protocol);
  };
  Answer answer{.ours = true};
  const auto add = [&](uint16_t number, const std::string& target, Ipv4 ip) {
    answer.answers.push_back(
        {asked.question.name, Type::srv, kZoneTtl_s, SrvData{0, kSrvWeight, number, target}});
    const Record address{target, Type::a, kZoneTtl_s, ip};
    if (std::find(answer.additional.begin(), answer.additional.end(), address) ==
        answer.additional.end())
      answer.additional.push_back(address);
  };
  if (headless(service)) {
    for (const ZoneEndpoint& endpoint : service.endpoints) {
      const std::string target = name_of(service, endpoint);
      if (!visible(service, endpoint) || !valid_name(target)) continue;
      for (const ServicePort& candidate : endpoint.ports) {
        if (wanted(candidate)) add(candidate.number, target, endpoint.ip);
      }
    }
  } else {
    for (const ServicePort& candidate : service.ports) {
      if (wanted(candidate)) add(candidate.number, name_of(service), service.cluster_ip);
    }
  }
  if (answer.answers.empty()) return negative(Rcode::name_error);
  if (!asks_for(asked.question, Type::srv)) return negative(Rcode::no_error);
  const auto share = static_cast<uint16_t>(std::max<size_t>(1, kSrvWeight / answer.answers.size()));
  for (Record& record : answer.answers) {
    if (headless(service)) std::get<SrvData>(record.data).weight = share;
  }
  return answer;
}

Zone::Answer Zone::reverse_answer(const Owner& owner, const Asked& asked) const {
  return positive(asked, Type::ptr,
                  NameData{owner.endpoint ? name_of(*owner.service, *owner.endpoint)
                                          : name_of(*owner.service)});
}

// No address at all: the name does not exist (the specification's words for headless services).
Zone::Answer Zone::addresses(std::vector<Ipv4> ips, const Asked& asked) const {
  std::sort(ips.begin(), ips.end());
  ips.erase(std::unique(ips.begin(), ips.end()), ips.end());
  if (ips.empty()) return negative(Rcode::name_error);
  if (!asks_for(asked.question, Type::a)) return negative(Rcode::no_error);
  std::rotate(ips.begin(), ips.begin() + static_cast<ptrdiff_t>(asked.random.below(ips.size())),
              ips.end());
  Answer answer{.ours = true};
  for (const Ipv4 ip : ips)
    answer.answers.push_back({asked.question.name, Type::a, kZoneTtl_s, ip});
  return answer;
}

Zone::Answer Zone::positive(const Asked& asked, Type type, Data data) const {
  if (!asks_for(asked.question, type)) return negative(Rcode::no_error);
  Answer answer{.ours = true};
  answer.answers.push_back({asked.question.name, type, kZoneTtl_s, std::move(data)});
  return answer;
}

Zone::Answer Zone::negative(Rcode rcode) const {
  Answer answer{.ours = true, .rcode = rcode};
  answer.authority.push_back(
      {data_.domain, Type::soa, kZoneTtl_s,
       SoaData{"ns.dns." + data_.domain, "hostmaster." + data_.domain, data_.serial, kSoaRefresh_s,
               kSoaRetry_s, kSoaExpire_s, kZoneTtl_s}});
  return answer;
}

const ZoneService* Zone::find(std::string_view name, std::string_view ns) const {
  const auto found = by_name_.find(std::string(name) + "." + std::string(ns));
  return found == by_name_.end() ? nullptr : found->second;
}

std::string Zone::name_of(const ZoneService& service) const {
  return service.name + "." + service.ns + ".svc." + data_.domain;
}

std::string Zone::name_of(const ZoneService& service, const ZoneEndpoint& endpoint) const {
  return host_of(endpoint) + "." + name_of(service);
}

}  // namespace orch::dns
