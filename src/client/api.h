// client: the only door to the cluster, for everything that is not the API server itself.
//
// Api writes and reads through the API's own rules (admission, validation, compare-and-swap);
// Cache reads what a watch brought, without a request. Each has two makers: in-process (the API
// server implements it over the store, sharing the store's bytes) and HTTPS (client/remote_*.h).
// Nothing that uses them can tell which.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "api/schema.h"
#include "base/result.h"

namespace orch::client {

// Of an object; 0 where it has none.
int64_t revision_of(const api::Value& object);

// namespace is "" for cluster-scoped objects.
struct ObjectKey {
  std::string ns;
  std::string name;

  std::string to_string() const { return ns.empty() ? name : ns + "/" + name; }
  auto operator<=>(const ObjectKey&) const = default;
};
// The key of an object's metadata.
ObjectKey key_of(const api::Value& object);

struct ListOptions {
  std::string ns;              // "" = all namespaces.
  std::string label_selector;  // As in the query string.
  std::string field_selector;
};

struct DeleteOptions {
  std::string uid;                 // Precondition when not empty.
  std::string resource_version;    // Precondition when not empty.
  std::optional<int64_t> grace_s;  // Unset: the object's own.
  std::string propagation;         // "Background", "Foreground", "Orphan"; "": the default.
};

enum class PatchType { json, merge, strategic };

// Blocking; thread-safe. Objects are whole documents with apiVersion and kind. Failures are the
// Status that the API gave, or 503/504 when no answer came.
class Api {
 public:
  virtual ~Api() = default;

  virtual Result<api::Value> get(const api::Resource& resource, const ObjectKey& key) = 0;
  virtual Result<std::vector<api::Value>> list(const api::Resource& resource,
                                               const ListOptions& options) = 0;
  // The namespace and name (or generateName) stand in the object's metadata.
  virtual Result<api::Value> create(const api::Resource& resource, const api::Value& object) = 0;
  // Compare-and-swap on metadata.resourceVersion. `subresource`: "", "status", "scale".
  // Writing what already stands there changes nothing and costs no revision.
  virtual Result<api::Value> update(const api::Resource& resource, const api::Value& object,
                                    std::string_view subresource = "") = 0;
  virtual Result<api::Value> patch(const api::Resource& resource, const ObjectKey& key,
                                   PatchType type, const api::Value& patch,
                                   std::string_view subresource = "") = 0;
  // POST to a subresource that creates: pods/binding, pods/eviction, serviceaccounts/token.
  virtual Result<api::Value> create_sub(const api::Resource& resource, const ObjectKey& key,
                                        std::string_view subresource, const api::Value& body) = 0;
  virtual Result<void> remove(const api::Resource& resource, const ObjectKey& key,
                              const DeleteOptions& options = {}) = 0;
};

// One object changed. The views live as long as the call.
struct Change {
  enum class Type { added, modified, deleted };
  Type type = Type::added;
  ObjectKey key;
  int64_t revision = 0;
  std::string_view bytes;     // JSON after the change; for deleted, the last state.
  std::string_view previous;  // JSON before it; "" for added.

  api::Value object() const;  // Parsed `bytes`.
};

// What Cache::list selects by; empty fields select everything. None of them parses an object.
struct Filter {
  std::string ns;
  std::string owner_uid;       // Objects with an ownerReference to it.
  std::string label_selector;  // Kubernetes syntax.
  std::string field, value;    // One selectable field, e.g. "spec.nodeName" = "a".
};

// Thread-safe. What it gives is a moment's state, at least as new as revision().
class Cache {
 public:
  virtual ~Cache() = default;

  virtual std::optional<api::Value> get(const api::Resource& resource,
                                        const ObjectKey& key) const = 0;
  virtual std::vector<api::Value> list(const api::Resource& resource,
                                       const Filter& filter = {}) const = 0;
  // Every change up to this revision of the cluster has been taken in and told to subscribers.
  virtual int64_t revision() const = 0;

  // Tells each present object as added, then every change, in order, one call at a time, on the
  // cache's thread: must be quick and must not call the Api. No call comes after the Subscription
  // is gone (its destructor waits for one under way). Remote caches watch from here on.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };
  virtual std::unique_ptr<Subscription> subscribe(const api::Resource& resource,
                                                  std::function<void(const Change&)> tell) = 0;
  // The same for one object, by its name: a node may follow a Secret that its pods use, but not
  // all of them. May wait for a watch to end when the Subscription goes.
  virtual std::unique_ptr<Subscription> subscribe_one(const api::Resource& resource,
                                                      const ObjectKey& key,
                                                      std::function<void(const Change&)> tell) = 0;
  // For fences, on the cache's thread: revision(), when it grew or went back to an older state's.
  virtual std::unique_ptr<Subscription> subscribe_revision(std::function<void(int64_t)> tell) = 0;
  // Waits until everything subscribed so far has been told once. False after `timeout_ms`.
  virtual bool wait_synced(int timeout_ms) = 0;
};

}  // namespace orch::client
