// reader: GET and LIST. Bytes go out as they lie in the store; only Tables, metadata-only forms and
// YAML parse objects. Runs on the I/O threads: nothing here waits for the disk.
#pragma once

#include "api/schema.h"
#include "base/clock.h"
#include "base/result.h"
#include "http/http.h"
#include "server/apiserver/options.h"
#include "server/apiserver/present.h"
#include "server/apiserver/route.h"
#include "store/store.h"

namespace orch::apiserver {

class Reader {
 public:
  Reader(store::Store& store, Clock& clock) : store_(store), clock_(clock) {}

  // The object, or its status subresource (which is the whole object, too).
  Result<http::Response> get(const Target& target, const ReadOptions& options,
                             const Presentation& form) const;
  Result<http::Response> list(const Target& target, const ReadOptions& options,
                              const Presentation& form) const;

  // The records that a list with these options would show.
  Result<std::vector<store::RecordPtr>> select(const Target& target,
                                               const ReadOptions& options) const;

 private:
  struct Page {
    std::vector<store::RecordPtr> records;
    // 0: the state that the client was paging through is forgotten, and `continue_token` goes on
    // with what stands now.
    int64_t revision = 0;
    std::string continue_token;
    size_t remaining = 0;  // After this page; 0 also when nobody counted.
  };
  Result<Page> read_page(const Target& target, const ReadOptions& options) const;

  store::Store& store_;
  Clock& clock_;
};

// 504 with cause ResourceVersionTooLarge: the client has seen a later state than this server.
Status revision_in_future(int64_t wanted, int64_t current);

}  // namespace orch::apiserver
