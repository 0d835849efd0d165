// netlink: libnl-route behind owning pointers, Result, and one seam where tests make the n-th
// change fail. Room-private. One Netlink is one socket in one network namespace; use it on one
// thread.
#pragma once

#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/result.h"

namespace orch::network {

template <auto Free>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Link = std::unique_ptr<rtnl_link, FreeWith<rtnl_link_put>>;
using Addr = std::unique_ptr<rtnl_addr, FreeWith<rtnl_addr_put>>;
using Route = std::unique_ptr<rtnl_route, FreeWith<rtnl_route_put>>;
using NlAddr = std::unique_ptr<nl_addr, FreeWith<nl_addr_put>>;
using Objects = std::unique_ptr<nl_cache, FreeWith<nl_cache_free>>;  // The answer to one dump.

// Tests set this to n: the n-th change from now on fails, and so do none after it. 0: never.
inline thread_local int fail_at_change = 0;

// One change of the kernel's state. `change` answers 0 or a negative libnl error.
Result<void> make_change(const std::string& what, const std::function<int()>& change);

Status netlink_error(const std::string& what, int error);
bool is_missing(int error);  // No such link, address or route.
bool exists_already(int error);

class Netlink {
 public:
  // In the calling thread's network namespace.
  static Result<Netlink> open();
  // In the network namespace at `netns_path`.
  static Result<Netlink> open_in(const std::string& netns_path);

  nl_sock* get() const { return socket_.get(); }

  // Nothing (a null pointer) when there is no such link.
  Result<Link> find_link(const std::string& name) const;
  // 404 when there is no such link.
  Result<Link> link(const std::string& name) const;
  Result<void> delete_link(const std::string& name) const;  // Missing is success.
  Result<void> set_up(rtnl_link* link) const;

  // An address that is there already is success.
  Result<void> add_address(int link_index, Ipv4 ip, int prefix_bits) const;
  Result<void> remove_address(int link_index, Ipv4 ip, int prefix_bits) const;

  Result<Objects> links() const;
  Result<Objects> addresses() const;
  Result<Objects> routes() const;  // IPv4, all tables.

 private:
  explicit Netlink(nl_sock* socket) : socket_(socket) {}

  std::unique_ptr<nl_sock, FreeWith<nl_socket_free>> socket_;
};

NlAddr make_address(const Cidr& cidr);
// With host bits: 10.42.0.1/24.
NlAddr make_address(Ipv4 ip, int prefix_bits);
// Not set when `address` is null or no IPv4.
Ipv4 to_ipv4(nl_addr* address);

// A hardware address made of `ip`: whoever gets the address again also gets the same hardware
// address, so that neighbours' ARP caches stay right. (02 = locally administered.)
void set_mac_of(rtnl_link* link, Ipv4 ip);

template <class T, class Visit>
void for_each(const Objects& objects, Visit visit) {
  for (nl_object* at = nl_cache_get_first(objects.get()); at; at = nl_cache_get_next(at))
    visit(reinterpret_cast<T*>(at));
}

}  // namespace orch::network
