// proxy_rewrite: what a proxied answer says about its own addresses, put in terms of the proxy.
// PURE.
//
// A page that lives behind /api/v1/namespaces/x/pods/y/proxy calls itself "/": without this its
// redirects and links would lead out of the proxy. As Kubernetes does it: Location, and in HTML the
// attributes that hold addresses; addresses in scripts and style sheets are not touched.
#pragma once

#include <string>
#include <string_view>

namespace orch::apiserver {

struct ProxyOrigin {
  std::string prefix;  // "/api/v1/namespaces/x/pods/y/proxy"
  std::string far;     // The host behind the proxy: "10.42.0.7:80".
  std::string near;    // The host as the caller named it; "" = unknown.
};

// An address that stays on the page's own host and begins at its root; others come back unchanged.
std::string rewrite_url(std::string_view url, const ProxyOrigin& origin);
std::string rewrite_html(std::string_view page, const ProxyOrigin& origin);

}  // namespace orch::apiserver
