// RemoteApi: the Api over HTTPS, for agents and for tools. See client/api.h for the contract.
#pragma once

#include <memory>

#include "client/api.h"
#include "client/connection.h"

namespace orch::client {

class RemoteApi : public Api {
 public:
  // A LIST is fetched in pages of this many objects.
  static constexpr int kPageSize = 500;

  explicit RemoteApi(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}

  Result<api::Value> get(const api::Resource& resource, const ObjectKey& key) override;
  Result<std::vector<api::Value>> list(const api::Resource& resource,
                                       const ListOptions& options) override;
  Result<api::Value> create(const api::Resource& resource, const api::Value& object) override;
  Result<api::Value> update(const api::Resource& resource, const api::Value& object,
                            std::string_view subresource = "") override;
  Result<api::Value> patch(const api::Resource& resource, const ObjectKey& key, PatchType type,
                           const api::Value& patch, std::string_view subresource = "") override;
  Result<api::Value> create_sub(const api::Resource& resource, const ObjectKey& key,
                                std::string_view subresource, const api::Value& body) override;
  Result<void> remove(const api::Resource& resource, const ObjectKey& key,
                      const DeleteOptions& options = {}) override;

 private:
  const std::shared_ptr<Connection> connection_;
};

// Items of a List carry no apiVersion and kind of their own: puts those of the resource first.
api::Value whole_object(const api::Resource& resource, const api::Value& item);

}  // namespace orch::client
