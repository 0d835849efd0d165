// Stale UDP flows, through ctnetlink; see the header. First what is stale (pure), then the
// messages.
#include "netfilter/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/fd.h"

namespace orch::netfilter {
namespace {

using Place = std::pair<Ipv4, uint16_t>;  // No address: a node port.
using Places = std::set<Place>;

// Every UDP door with the backends behind it.
std::map<Place, Places> udp_doors(const ServiceTable& table) {
  std::map<Place, Places> doors;
  for (const Service& service : table.services) {
    if (service.protocol != Protocol::udp) continue;
    Places backends;
    for (const Endpoint& endpoint : service.endpoints)
      backends.insert({endpoint.ip, endpoint.port});
    if (service.cluster_ip.is_set()) doors[{service.cluster_ip, service.port}] = backends;
    for (const Ipv4 ip : service.external_ips) doors[{ip, service.port}] = backends;
    if (service.node_port != 0) doors[{Ipv4{}, service.node_port}] = backends;
  }
  for (const HostPort& host_port : table.host_ports) {
    if (host_port.protocol == Protocol::udp)
      doors[{host_port.host_ip, host_port.port}] = {{host_port.pod_ip, host_port.pod_port}};
  }
  return doors;
}

bool is_stale(const UdpFlow& flow, const std::map<Place, Places>& doors, const NodeNet& node) {
  const Place destination{flow.destination, flow.destination_port};
  const Place answerer{flow.answerer, flow.answerer_port};
  const bool translated = answerer != destination;
  auto door = doors.find(destination);
  if (door == doors.end()) door = doors.find({Ipv4{}, flow.destination_port});
  if (door != doors.end() && door->first.first.is_set())
    return door->second.empty() ? translated : !door->second.contains(answerer);
  if (!translated) return false;  // Its own way: nothing of ours, or not a node port of this node.
  if (door != doors.end()) return !door->second.contains(answerer);
  // Translated by a rule of ours that is gone?
  return node.service_cidr.contains(flow.destination) ||
         (flow.destination_port >= node.node_port_first &&
          flow.destination_port <= node.node_port_last &&
          node.cluster_cidr.contains(flow.answerer));
}

// ---- Messages ----

constexpr size_t kReceiveBytes = 64
                                 << 10;  // The kernel fills at most 32 KiB per message of a dump.
constexpr int kPatience_s = 5;

// A netlink request under construction: header, nfgenmsg, attributes.
class Request {
 public:
  Request(uint16_t type, uint16_t flags) : bytes_(NLMSG_HDRLEN + sizeof(nfgenmsg), '\0') {
    nlmsghdr header{};
    header.nlmsg_type = static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | type);
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    nfgenmsg generic{};
    generic.nfgen_family = AF_INET;
    generic.version = NFNETLINK_V0;
    std::memcpy(bytes_.data(), &header, sizeof header);
    std::memcpy(bytes_.data() + NLMSG_HDRLEN, &generic, sizeof generic);
  }

  size_t open(uint16_t type) {
    const size_t at = bytes_.size();
    append_header(static_cast<uint16_t>(type | NLA_F_NESTED), 0);
    return at;
  }
  void close(size_t at) { set_length(at, bytes_.size() - at); }
  template <class T>
  void put(uint16_t type, T value) {
    append_header(type, sizeof value);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    bytes_.resize(NLA_ALIGN(bytes_.size()));
  }

  const std::string& finish() {
    const auto length = static_cast<uint32_t>(bytes_.size());
    std::memcpy(bytes_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
    return bytes_;
  }

 private:
  void append_header(uint16_t type, size_t data_bytes) {
    const nlattr header{static_cast<uint16_t>(NLA_HDRLEN + data_bytes), type};
    bytes_.append(reinterpret_cast<const char*>(&header), sizeof header);
  }
  void set_length(size_t at, size_t length) {
    const auto value = static_cast<uint16_t>(length);
    std::memcpy(bytes_.data() + at + offsetof(nlattr, nla_len), &value, sizeof value);
  }

  std::string bytes_;
};

// Calls visit(type, data) for each attribute in `bytes`.
template <class Visit>
void for_each_attribute(std::string_view bytes, Visit visit) {
  while (bytes.size() >= NLA_HDRLEN) {
    nlattr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nla_len < NLA_HDRLEN || header.nla_len > bytes.size()) return;
    visit(header.nla_type & NLA_TYPE_MASK, bytes.substr(NLA_HDRLEN, header.nla_len - NLA_HDRLEN));
    bytes.remove_prefix(std::min<size_t>(bytes.size(), NLA_ALIGN(header.nla_len)));
  }
}

template <class T>
T read_number(std::string_view data) {
  T value{};
  if (data.size() >= sizeof value) std::memcpy(&value, data.data(), sizeof value);
  return value;
}

// One direction of a flow.
struct Tuple {
  Place source, destination;
  uint8_t protocol = 0;
};

Tuple read_tuple(std::string_view bytes) {
  Tuple tuple;
  for_each_attribute(bytes, [&](int part, std::string_view nested) {
    for_each_attribute(nested, [&](int type, std::string_view data) {
      const auto ip = [&] { return Ipv4{ntohl(read_number<uint32_t>(data))}; };
      const auto port = [&] { return ntohs(read_number<uint16_t>(data)); };
      if (part == CTA_TUPLE_IP) {
        if (type == CTA_IP_V4_SRC) tuple.source.first = ip();
        if (type == CTA_IP_V4_DST) tuple.destination.first = ip();
      } else if (part == CTA_TUPLE_PROTO) {
        if (type == CTA_PROTO_NUM) tuple.protocol = read_number<uint8_t>(data);
        if (type == CTA_PROTO_SRC_PORT) tuple.source.second = port();
        if (type == CTA_PROTO_DST_PORT) tuple.destination.second = port();
      }
    });
  });
  return tuple;
}

std::optional<UdpFlow> read_flow(std::string_view attributes) {
  Tuple original, reply;
  for_each_attribute(attributes, [&](int type, std::string_view data) {
    if (type == CTA_TUPLE_ORIG) original = read_tuple(data);
    if (type == CTA_TUPLE_REPLY) reply = read_tuple(data);
  });
  if (original.protocol != IPPROTO_UDP) return std::nullopt;
  return UdpFlow{original.source.first,       original.source.second, original.destination.first,
                 original.destination.second, reply.source.first,     reply.source.second};
}

std::string delete_request(const UdpFlow& flow) {
  Request request(IPCTNL_MSG_CT_DELETE, NLM_F_ACK);
  const size_t tuple = request.open(CTA_TUPLE_ORIG);
  const size_t ip = request.open(CTA_TUPLE_IP);
  request.put(CTA_IP_V4_SRC, htonl(flow.client.value));
  request.put(CTA_IP_V4_DST, htonl(flow.destination.value));
  request.close(ip);
  const size_t ports = request.open(CTA_TUPLE_PROTO);
  request.put(CTA_PROTO_NUM, uint8_t{IPPROTO_UDP});
  request.put(CTA_PROTO_SRC_PORT, htons(flow.client_port));
  request.put(CTA_PROTO_DST_PORT, htons(flow.destination_port));
  request.close(ports);
  request.close(tuple);
  return request.finish();
}

// Sends one request and reads its answer: the flows of a dump, or an acknowledgement. The value is
// the kernel's error number, 0 for success.
Result<int> exchange(int fd, const std::string& request, std::vector<UdpFlow>* flows) {
  if (::send(fd, request.data(), request.size(), 0) < 0) return system_error("ctnetlink", errno);
  std::string buffer(kReceiveBytes, '\0');
  for (;;) {
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("ctnetlink", errno);
    std::string_view rest(buffer.data(), static_cast<size_t>(got));
    while (rest.size() >= NLMSG_HDRLEN) {
      const auto header = read_number<nlmsghdr>(rest);
      if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > rest.size()) break;
      const std::string_view body = rest.substr(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN);
      if (header.nlmsg_type == NLMSG_DONE) return 0;
      if (header.nlmsg_type == NLMSG_ERROR) return -read_number<nlmsgerr>(body).error;
      if (flows && body.size() > sizeof(nfgenmsg)) {
        if (const auto flow = read_flow(body.substr(NLMSG_ALIGN(sizeof(nfgenmsg)))))
          flows->push_back(*flow);
      }
      rest.remove_prefix(std::min<size_t>(rest.size(), NLMSG_ALIGN(header.nlmsg_len)));
    }
  }
}

}  // namespace

bool udp_backends_changed(const ServiceTable& before, const ServiceTable& after) {
  const auto old_doors = udp_doors(before), new_doors = udp_doors(after);
  for (const auto& [place, backends] : old_doors) {
    const auto now = new_doors.find(place);
    if (now == new_doors.end()) return true;
    if (!std::includes(now->second.begin(), now->second.end(), backends.begin(), backends.end()))
      return true;
    if (backends.empty() && !now->second.empty()) return true;
  }
  return std::any_of(new_doors.begin(), new_doors.end(), [&](const auto& door) {
    return !door.second.empty() && !old_doors.contains(door.first);
  });
}

std::vector<UdpFlow> stale_flows(const std::vector<UdpFlow>& flows, const ServiceTable& services,
                                 const NodeNet& node) {
  const auto doors = udp_doors(services);
  std::vector<UdpFlow> stale;
  std::copy_if(flows.begin(), flows.end(), std::back_inserter(stale),
               [&](const UdpFlow& flow) { return is_stale(flow, doors, node); });
  return stale;
}

Result<int> forget_stale_flows(const ServiceTable& services, const NodeNet& node) {
  const UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!fd) return system_error("ctnetlink socket", errno);
  const timeval patience{kPatience_s, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::vector<UdpFlow> flows;
  Request dump(IPCTNL_MSG_CT_GET, NLM_F_DUMP);
  if (const int error = ORCH_TRY(exchange(fd.get(), dump.finish(), &flows)); error != 0)
    return system_error("list tracked flows", error);
  int deleted = 0;
  for (const UdpFlow& flow : stale_flows(flows, services, node)) {
    const int error = ORCH_TRY(exchange(fd.get(), delete_request(flow), nullptr));
    if (error != 0 && error != ENOENT) return system_error("delete a tracked flow", error);
    deleted += error == 0;
  }
  return deleted;
}

}  // namespace orch::netfilter
