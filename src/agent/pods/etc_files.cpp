#include "agent/pods/etc_files.h"

#include <algorithm>
#include <vector>

#include "agent/pods/pod_spec.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

constexpr size_t kMaxHostname = 63;
constexpr size_t kMaxNameservers = 3;  // As resolvers read at most.
constexpr size_t kMaxSearch = 32;

struct ResolvConf {
  std::vector<std::string> nameservers, search, options;
};

void add_once(std::vector<std::string>* list, const std::string& item) {
  if (std::find(list->begin(), list->end(), item) == list->end()) list->push_back(item);
}

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf conf;
  for (const auto line : split(text, '\n')) {
    std::vector<std::string> words;
    for (const auto word : split(line, ' ')) {
      if (!trim(word).empty()) words.emplace_back(trim(word));
    }
    if (words.size() < 2) continue;
    const std::string keyword = words[0];
    words.erase(words.begin());
    if (keyword == "nameserver") conf.nameservers.push_back(words[0]);
    if (keyword == "search" || keyword == "domain") conf.search = words;
    if (keyword == "options") conf.options.insert(conf.options.end(), words.begin(), words.end());
  }
  return conf;
}

std::string option_name(const std::string& option) { return option.substr(0, option.find(':')); }

// The later of two options of one name holds.
void set_option(std::vector<std::string>* options, const std::string& option) {
  std::erase_if(*options,
                [&](const std::string& old) { return option_name(old) == option_name(option); });
  options->push_back(option);
}

}  // namespace

std::string pod_hostname(const api::Value& pod) {
  const auto& own = pod["spec"]["hostname"].as_string();
  std::string name = (own.empty() ? pod_name(pod) : own).substr(0, kMaxHostname);
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name;
}

std::string render_hosts(const api::Value& pod, const std::string& pod_ip,
                         const std::string& cluster_domain, const std::string& host_hosts) {
  std::string text;
  if (host_network(pod)) {
    text = "# Kubernetes-managed hosts file (host network).\n" + host_hosts;
    if (!text.ends_with('\n')) text += '\n';
  } else {
    text =
        "# Kubernetes-managed hosts file.\n"
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\n"
        "fe00::0\tip6-mcastprefix\n"
        "fe00::1\tip6-allnodes\n"
        "fe00::2\tip6-allrouters\n";
    const std::string hostname = pod_hostname(pod);
    const auto& subdomain = pod["spec"]["subdomain"].as_string();
    text += pod_ip + "\t";
    if (!subdomain.empty()) {
      text +=
          hostname + "." + subdomain + "." + pod_namespace(pod) + ".svc." + cluster_domain + "\t";
    }
    text += hostname + "\n";
  }
  if (pod["spec"]["hostAliases"].empty()) return text;
  text += "\n# Entries added by HostAliases.\n";
  for (const auto& alias : pod["spec"]["hostAliases"].items()) {
    text += alias["ip"].as_string();
    for (const auto& name : alias["hostnames"].items()) text += "\t" + name.as_string();
    text += "\n";
  }
  return text;
}

std::string render_resolv_conf(const api::Value& pod, const DnsFacts& facts) {
  std::string policy = pod["spec"]["dnsPolicy"].as_string();
  const bool cluster_first =
      policy == "ClusterFirstWithHostNet" || (policy != "Default" && policy != "None");
  const bool use_cluster = cluster_first && !facts.cluster_dns.empty() &&
                           (!host_network(pod) || policy == "ClusterFirstWithHostNet");
  ResolvConf conf;
  if (policy != "None") conf = parse_resolv_conf(facts.host_resolv_conf);
  if (use_cluster) {
    const std::string svc = "svc." + facts.cluster_domain;
    std::vector<std::string> search = {pod_namespace(pod) + "." + svc, svc, facts.cluster_domain};
    for (const auto& domain : conf.search) add_once(&search, domain);
    conf.search = std::move(search);
    conf.nameservers = {facts.cluster_dns};
    conf.options = {"ndots:5"};
  }
  const auto& wanted = pod["spec"]["dnsConfig"];
  for (const auto& server : wanted["nameservers"].items()) {
    add_once(&conf.nameservers, server.as_string());
  }
  for (const auto& domain : wanted["searches"].items()) add_once(&conf.search, domain.as_string());
  for (const auto& option : wanted["options"].items()) {
    const auto& value = option["value"].as_string();
    set_option(&conf.options, option["name"].as_string() + (value.empty() ? "" : ":" + value));
  }
  if (conf.nameservers.size() > kMaxNameservers) conf.nameservers.resize(kMaxNameservers);
  if (conf.search.size() > kMaxSearch) conf.search.resize(kMaxSearch);

  std::string text;
  if (!conf.search.empty()) text += "search " + join(conf.search, " ") + "\n";
  for (const auto& server : conf.nameservers) text += "nameserver " + server + "\n";
  if (!conf.options.empty()) text += "options " + join(conf.options, " ") + "\n";
  return text;
}

}  // namespace orch::pods
