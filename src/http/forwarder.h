// Forwarder: hands requests on to other servers and their answers back, whatever these are: a body,
// one that goes on (a log), or an upgraded connection. Reverse proxying as RFC 9110 section 7.6 has
// it: fields of one connection end with it, and so do the caller's credentials.
//
// A body that goes on is read only as fast as the caller takes it, and a long one of the caller's
// only as fast as the far end takes that: what waits is bounded.
// Threads: one of a pool for each answer under way, made when there is work; an upgraded connection
// has the one that the server gives it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "base/task_pool.h"
#include "http/client.h"
#include "http/http.h"

namespace orch::http {

// A caller that reads slower than the answer comes is waited for at this backlog, never cut off.
inline constexpr size_t kForwardBacklogBytes = 1u << 20;
// What is said to be no larger goes out in one piece; and so does what has to be rewritten.
inline constexpr size_t kWholeBodyBytes = 64u << 10;
inline constexpr size_t kMaxRewriteBytes = 4u << 20;

struct Forward {
  using Rewrite = std::function<std::string(std::string_view)>;

  std::shared_ptr<Exchange> exchange;
  Request request;       // As it is to be sent: see onward_request().
  ClientOptions server;  // Whom it is sent to; the forwarder cancels it (cancel_fd).
  // May change the answer's head. What it returns, if anything, is applied to a body of at most
  // kMaxRewriteBytes; a longer one goes as it is.
  std::function<Rewrite(Response*)> edit;
  // How it is told that no answer came.
  std::function<Response(const Status&)> fail;
};

class Forwarder {
 public:
  // At most so many at a time; a few more wait.
  explicit Forwarder(size_t max_threads);
  ~Forwarder() { stop(); }

  // Answers the exchange, later. False when stopped or overloaded: it was not answered then.
  bool run(Forward forward);
  // Ends what is under way, also where the far end is silent, and waits for it. Idempotent.
  void stop();

 private:
  struct Answer;

  Result<void> forward(const Forward& forward);
  static Result<void> upgrade(const Forward& forward, Client& client);
  static Result<void> copy(const Forward& forward, const std::shared_ptr<Answer>& answer);

  const UniqueFd stopping_;  // An eventfd, readable once stop() was called.
  std::mutex mutex_;
  std::set<std::shared_ptr<Answer>> answers_;  // Under way.
  bool stopped_ = false;
  TaskPool pool_;
};

// The request for the next server: less the fields of this connection (but for an upgrade) and the
// caller's credentials, and without a wish for compression, as bodies may be looked into.
Request onward_request(const Request& request, std::string target);

}  // namespace orch::http
