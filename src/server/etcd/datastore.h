// Datastore: an etcd cluster in place of the server's own database, as the flags of `orch server`
// say it. See docs/datastore.md.
#pragma once

#include <memory>
#include <string>

#include "server/etcd/gateway.h"
#include "server/etcd/lead.h"
#include "server/etcd/wire.h"
#include "store/engine.h"

namespace orch::etcd {

// As k3s names them.
struct DatastoreFlags {
  std::string endpoint;  // "https://10.0.0.1:2379,https://10.0.0.2:2379"
  std::string ca_file = {}, cert_file = {}, key_file = {};
  std::string compaction = "5m";  // How often; "0": never.
};

class Datastore final : public store::Engine {
 public:
  // 400 says which flag is wrong. Reads the files.
  static Result<std::unique_ptr<Datastore>> create(const DatastoreFlags& flags, Random& random);

  // What servers share beside the state, such as the CA's key: sealed by whoever gives it, a riddle
  // to etcd. Both block.
  Result<Shared> shared();
  // In place of what was there at `revision` (0: nothing). 409 when that has changed.
  Result<void> share(std::string_view sealed, int64_t revision);

  // Once: the log's end cancels the gateways for good.
  Result<std::unique_ptr<store::Log>> start(std::unique_ptr<store::Mirror> mirror,
                                            const store::Options& options) override;

 private:
  Datastore(std::unique_ptr<Gateway> gateway, std::unique_ptr<Gateway> lead_gateway,
            const LeadOptions& lead)
      : gateway_(std::move(gateway)), lead_gateway_(std::move(lead_gateway)), lead_(lead) {}

  const std::unique_ptr<Gateway> gateway_, lead_gateway_;
  const LeadOptions lead_;
};

}  // namespace orch::etcd
