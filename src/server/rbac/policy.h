// Policy: who may do what, as the roles and bindings of a cluster say it, indexed so that a
// decision looks up the few bindings of one user and his groups and never walks the others.
//
// Fed with every Role, ClusterRole, RoleBinding and ClusterRoleBinding there is and every change of
// one; holds no other state. Thread-safe: many deciders, one feeder at a time.
// Follows: kube-apiserver's RBAC authorizer (which bindings come first, the words of the reason).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/json.h"
#include "api/schema.h"
#include "server/rbac/rules.h"

namespace orch::rbac {

// Who asks. Views; they live as long as the call.
struct Asker {
  std::string_view name;
  std::span<const std::string> groups;
};

// What a binding points to.
struct RoleRef {
  std::string kind, name;  // "Role" or "ClusterRole"
};

class Policy {
 public:
  // The four kinds of rbac.authorization.k8s.io; any other resource is no business of ours.
  static bool is_fed_by(const api::Resource& resource);

  // An object as it stands now. REQUIRES: is_fed_by(resource), as for forget().
  void take(const api::Resource& resource, const api::Value& object);
  void forget(const api::Resource& resource, std::string_view ns, std::string_view name);

  struct Decision {
    bool allowed = false;
    // Also when a role is missing that a binding names: RBAC: role.rbac... "x" not found
    std::string reason;  // RBAC: allowed by ClusterRoleBinding "a" of ClusterRole "b" to User "c"
  };
  Decision decide(const Asker& asker, const Action& action) const;

  // Every rule that the asker holds in a namespace ("": in the cluster as a whole).
  Rules rules_of(const Asker& asker, std::string_view ns) const;

  // The rules of a role that a binding in `ns` refers to. False when there is no such role.
  bool rules_of_role(const RoleRef& role, std::string_view ns, Rules* rules) const;

 private:
  struct Binding {
    std::string ns, name;  // ns "": a ClusterRoleBinding.
    RoleRef role;
    std::vector<std::string> keys;  // The subjects under which it is found.
  };
  // One subject's bindings; what messages call the subject goes with each.
  struct Grant {
    std::shared_ptr<const Binding> binding;
    std::string subject;  // User "a" · Group "b" · ServiceAccount "name/ns"
  };
  using Grants = std::vector<Grant>;

  // Calls visit(grant, rules) for the asker's grants, those of the cluster first, until it says
  // false.
  // `missing` (may be null) hears of roles that are not there.
  using Visit = std::function<bool(const Grant&, const Rules&)>;
  void visit_grants(const Asker& asker, std::string_view ns, const Visit& visit,
                    std::vector<std::string>* missing) const;
  void take_binding(std::string_view ns, const api::Value& object);
  void drop_binding(const std::string& key);

  mutable std::shared_mutex mutex_;
  std::unordered_map<std::string, Rules> roles_;  // "ns/name"; of ClusterRoles "/name".
  std::unordered_map<std::string, std::shared_ptr<const Binding>> bindings_;   // "ns/name"
  std::unordered_map<std::string, std::map<std::string, Grants>> by_subject_;  // subject → ns
};

}  // namespace orch::rbac
