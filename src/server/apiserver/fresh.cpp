#include "server/apiserver/fresh.h"

#include <future>

namespace orch::apiserver {

void Fresh::when(std::function<void(Result<void>)> then) {
  if (alone()) return then({});
  store_.sync([this, then = std::move(then)](Result<void> caught_up) {
    if (threads_.run([then, caught_up] { then(caught_up); })) return;
    then(service_unavailable("the server is shutting down or overloaded"));
  });
}

Result<void> Fresh::wait() {
  if (alone()) return {};
  // Shared, for the store's thread may still be inside set_value() when we have the answer.
  const auto promise = std::make_shared<std::promise<Result<void>>>();
  std::future<Result<void>> answer = promise->get_future();
  store_.sync([promise](Result<void> caught_up) { promise->set_value(std::move(caught_up)); });
  return answer.get();
}

}  // namespace orch::apiserver
