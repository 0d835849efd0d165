// RaftStreams: the streams between this server's log and the others', for libraft's own messages
// (it is libraft's `raft_uv_transport`) and for ours (it is the replica's Peers).
//
// Whoever opens a stream sends on it; the other end only reads, once the opener has said at which
// address it can be reached itself. So a server that nobody was told of yet can be answered,
// and one whose address changed is found again as soon as it has reached the others. So each opens
// one to every member that it comes to know, above all when it starts.
//
// libraft asks for another connect as soon as one failed. It is kept waiting until the next try is
// due (connect_tries.h), and can send little meanwhile, for libraft would queue all of it.
//
// On the loop's thread, but for what is said otherwise.
#pragma once

#include <uv.h>

#include "store/raft_library.h"
extern "C" {
#include <raft/uv.h>
}

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "store/connect_tries.h"
#include "store/loop_queue.h"
#include "store/peers.h"
#include "store/replication.h"

namespace orch::store {

// Ends all streams of a loop that will not run again, libraft's, too: whoever is at the other end
// hears of it, and opens another one to this server's next life.
void shut_streams(uv_loop_t* loop);

class RaftStreams final : public Peers {
 public:
  // All must outlive it; `loop` must have ended.
  RaftStreams(uv_loop_t* loop, std::shared_ptr<LoopQueue> queue, const Replication& self);
  ~RaftStreams() override;
  RaftStreams(const RaftStreams&) = delete;
  RaftStreams& operator=(const RaftStreams&) = delete;

  raft_uv_transport* transport() { return &transport_; }
  // What others say with StreamUse::messages.
  using Receive = std::function<void(uint64_t from, std::string_view message)>;
  void on_message(Receive receive) { receive_ = std::move(receive); }
  // Where the servers are, as the log's configuration says.
  void set_members(const std::vector<Member>& members);

  void send(uint64_t server, std::string message) override;
  bool takes(uint64_t server) override;
  // As in Store.
  void accept(uint64_t from, StreamUse use, UniqueFd stream);
  // Ends all streams; the loop ends when they are gone.
  void close();

 private:
  struct Outgoing;
  struct Incoming;
  struct Connecting {  // For libraft.
    uint64_t server = 0;
    std::string address;
    raft_uv_connect* request = nullptr;
    raft_uv_connect_cb done = nullptr;
    bool dialled = false;   // Else it waits until it is due.
    unsigned messages = 0;  // Of libraft's, that wait for it.
  };

  static RaftStreams* of(raft_uv_transport* transport) {
    return static_cast<RaftStreams*>(transport->impl);
  }
  void open(uint64_t server, const std::string& address, StreamUse use,
            std::function<void(UniqueFd)> opened);
  void connect(Connecting connecting);
  void dial_those_due();
  void dial(uint64_t number);
  void end_dial(uint64_t number, UniqueFd fd);
  void showed_up(uint64_t server);
  void cancel_connecting();
  std::string address_of(uint64_t server) const;
  uv_stream_t* adopt(UniqueFd fd);
  Outgoing& outgoing(uint64_t server);
  void connect_messages(uint64_t server);
  void take_outgoing(uint64_t server, UniqueFd fd);
  void write(Outgoing& out, std::string frame);
  void drop_outgoing(uint64_t server);
  void drop_incoming(Incoming* in);
  bool take_bytes(Incoming* in, std::string_view bytes);
  void greeted(Incoming* in);
  static void read_some(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer);
  uint64_t now() const { return uv_now(loop_); }

  uv_loop_t* const loop_;
  const std::shared_ptr<LoopQueue> queue_;
  const Replication& self_;
  raft_uv_transport transport_{};
  raft_uv_accept_cb accept_ = nullptr;
  Receive receive_;
  bool closed_ = false;
  uint64_t connects_ = 0;
  std::map<uint64_t, Connecting> connecting_;  // By number.
  ConnectTries tries_;
  uv_timer_t next_try_{};
  std::map<uint64_t, std::string> members_;  // Addresses as configured,
  std::map<uint64_t, std::string> heard_;    // and as the servers said themselves.
  std::map<uint64_t, std::unique_ptr<Outgoing>> outgoing_;
  std::set<Incoming*> incoming_;
};

}  // namespace orch::store
