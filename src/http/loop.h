// What the connections of a server share: one Loop per I/O thread, one ServerState per server.
//
// A connection belongs to one Loop for life: its thread is its strand, no lock is needed, and a
// request costs no hand-over between threads. Loops outlive the server where an Exchange or a
// Stream still points at them: what those post then is never run, and that is right.
#pragma once

// Asio 1.74 needs std::exchange and does not include it.
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <utility>
#include <vector>

#include "http/handshakes.h"
#include "http/holding.h"
#include "http/http.h"
#include "http/output_queue.h"
#include "http/render.h"
#include "http/server.h"
#include "http/upgrades.h"

namespace orch::http {

class Connection;

struct Loop {
  boost::asio::io_context context{1};  // One thread runs it; any may post.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      context.get_executor()};
  // The owners: whoever else points at a connection does so weakly. This Loop's thread only.
  std::unordered_set<std::shared_ptr<Connection>> connections;
  // Where bytes land before they are parsed. This Loop's thread only.
  std::vector<char> read_buffer = std::vector<char>(tls_record_bytes);
};

struct ServerState {
  ServerState(ServerOptions the_options, Handler the_handler)
      : options(std::move(the_options)),
        handler(std::move(the_handler)),
        upgrades(std::make_shared<Upgrades>(options.max_upgrades)),
        holding(options.max_held_bytes),
        handshakes(options.max_handshakes) {}

  const ServerOptions options;
  const Handler handler;
  const std::shared_ptr<Upgrades> upgrades;
  HoldingSum holding;
  Handshakes handshakes;
  std::atomic<bool> stopping{false};

  Response refusal(const Status& status) const {
    return options.refusal ? options.refusal(status) : plain_response(status);
  }

  // Counts connections, so that stop() can wait for none.
  void connection_opened() {
    const std::lock_guard lock(mutex);
    ++connections;
  }
  void connection_closed() {
    const std::lock_guard lock(mutex);
    if (--connections == 0) none_left.notify_all();
  }
  std::mutex mutex;
  std::condition_variable none_left;
  size_t connections = 0;
};

}  // namespace orch::http
