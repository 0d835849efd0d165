// The libnl skin; see the header.
#include "agent/network/netlink.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/errno.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "agent/network/network.h"

namespace orch::network {
namespace {

// libnl tells only some of the kernel's errors apart; those that callers decide on are here.
constexpr int kMissing[] = {-NLE_OBJ_NOTFOUND, -NLE_NODEV, -NLE_NOADDR};

}  // namespace

Status netlink_error(const std::string& what, int error) {
  const std::string message = what + ": " + nl_geterror(error);
  if (is_missing(error)) return not_found(message);
  if (error == -NLE_PERM || error == -NLE_NOACCESS)
    return forbidden(message + " (needs CAP_NET_ADMIN)");
  return internal_error(message);
}

bool is_missing(int error) {
  return std::find(std::begin(kMissing), std::end(kMissing), error) != std::end(kMissing);
}

bool exists_already(int error) { return error == -NLE_EXIST; }

Result<void> make_change(const std::string& what, const std::function<int()>& change) {
  if (fail_at_change > 0 && --fail_at_change == 0)
    return internal_error(what + ": made to fail by a test");
  if (const int error = change(); error < 0) return netlink_error(what, error);
  return {};
}

Result<Netlink> Netlink::open() {
  Netlink netlink(nl_socket_alloc());
  if (!netlink.socket_) return internal_error("netlink: out of memory");
  if (const int error = nl_connect(netlink.get(), NETLINK_ROUTE); error < 0)
    return netlink_error("connect to netlink", error);
  return netlink;
}

Result<Netlink> Netlink::open_in(const std::string& netns_path) {
  // A socket belongs to the namespace it was made in, whoever uses it later.
  std::optional<Netlink> made;
  ORCH_TRY(with_netns(netns_path, [&]() -> Result<void> {
    made = ORCH_TRY(Netlink::open());
    return {};
  }));
  return std::move(*made);
}

Result<Link> Netlink::find_link(const std::string& name) const {
  rtnl_link* found = nullptr;
  const int error = rtnl_link_get_kernel(get(), 0, name.c_str(), &found);
  if (is_missing(error)) return Link{};
  if (error < 0) return netlink_error("look up " + name, error);
  return Link{found};
}

Result<Link> Netlink::link(const std::string& name) const {
  Link found = ORCH_TRY(find_link(name));
  if (!found) return not_found("there is no network interface " + name);
  return found;
}

Result<void> Netlink::delete_link(const std::string& name) const {
  const Link found = ORCH_TRY(find_link(name));
  if (!found) return {};
  return make_change("delete " + name, [&] {
    const int error = rtnl_link_delete(get(), found.get());
    return is_missing(error) ? 0 : error;
  });
}

Result<void> Netlink::set_up(rtnl_link* link) const {
  if (rtnl_link_get_flags(link) & IFF_UP) return {};
  const Link change{rtnl_link_alloc()};
  rtnl_link_set_flags(change.get(), IFF_UP);
  return make_change(std::string("bring up ") + rtnl_link_get_name(link),
                     [&] { return rtnl_link_change(get(), link, change.get(), 0); });
}

Result<void> Netlink::add_address(int link_index, Ipv4 ip, int prefix_bits) const {
  const Addr address{rtnl_addr_alloc()};
  const NlAddr local = make_address(ip, prefix_bits);
  rtnl_addr_set_ifindex(address.get(), link_index);
  rtnl_addr_set_local(address.get(), local.get());
  return make_change("add address " + ip.text(), [&] {
    const int error = rtnl_addr_add(get(), address.get(), 0);
    return exists_already(error) ? 0 : error;
  });
}

Result<void> Netlink::remove_address(int link_index, Ipv4 ip, int prefix_bits) const {
  const Addr address{rtnl_addr_alloc()};
  const NlAddr local = make_address(ip, prefix_bits);
  rtnl_addr_set_ifindex(address.get(), link_index);
  rtnl_addr_set_local(address.get(), local.get());
  return make_change("remove address " + ip.text(), [&] {
    const int error = rtnl_addr_delete(get(), address.get(), 0);
    return is_missing(error) ? 0 : error;
  });
}

Result<Objects> Netlink::links() const {
  nl_cache* cache = nullptr;
  if (const int error = rtnl_link_alloc_cache(get(), AF_UNSPEC, &cache); error < 0)
    return netlink_error("list interfaces", error);
  return Objects{cache};
}

Result<Objects> Netlink::addresses() const {
  nl_cache* cache = nullptr;
  if (const int error = rtnl_addr_alloc_cache(get(), &cache); error < 0)
    return netlink_error("list addresses", error);
  return Objects{cache};
}

Result<Objects> Netlink::routes() const {
  nl_cache* cache = nullptr;
  if (const int error = rtnl_route_alloc_cache(get(), AF_INET, 0, &cache); error < 0)
    return netlink_error("list routes", error);
  return Objects{cache};
}

NlAddr make_address(Ipv4 ip, int prefix_bits) {
  const uint32_t bytes = htonl(ip.value);
  NlAddr address{nl_addr_build(AF_INET, &bytes, sizeof bytes)};
  ORCH_CHECK(address);  // Out of memory.
  nl_addr_set_prefixlen(address.get(), prefix_bits);
  return address;
}

NlAddr make_address(const Cidr& cidr) { return make_address(cidr.base, cidr.bits); }

Ipv4 to_ipv4(nl_addr* address) {
  if (!address || nl_addr_get_family(address) != AF_INET || nl_addr_get_len(address) != 4)
    return {};
  uint32_t bytes = 0;
  std::memcpy(&bytes, nl_addr_get_binary_addr(address), sizeof bytes);
  return Ipv4{ntohl(bytes)};
}

void set_mac_of(rtnl_link* link, Ipv4 ip) {
  const uint8_t bytes[6] = {0x02,
                            0x42,
                            static_cast<uint8_t>(ip.value >> 24),
                            static_cast<uint8_t>(ip.value >> 16),
                            static_cast<uint8_t>(ip.value >> 8),
                            static_cast<uint8_t>(ip.value)};
  const NlAddr address{nl_addr_build(AF_LLC, bytes, sizeof bytes)};
  ORCH_CHECK(address);
  rtnl_link_set_addr(link, address.get());
}

}  // namespace orch::network
