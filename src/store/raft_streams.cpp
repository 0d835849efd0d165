#include "store/raft_streams.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/log.h"

namespace orch::store {

namespace {

constexpr size_t kMaxAddressBytes = 255;  // One byte says how many.
constexpr size_t kMaxMessageBytes = 24u << 20;
// What may wait for a slow stream; more is dropped, and whoever wants it sends it again.
constexpr size_t kMaxUnsentBytes = 32u << 20;
constexpr size_t kMaxIncoming = 64;
constexpr size_t kReadBytes = 64u << 10;
// A server that could not be reached is left alone for so long, at first and at most.
constexpr uint64_t kMinBackOffMs = 50, kMaxBackOffMs = 1000;

void free_stream(uv_handle_t* handle) { raft_free(handle); }

uv_handle_t* handle_of(uv_stream_t* stream) { return reinterpret_cast<uv_handle_t*>(stream); }

std::string frame_of(std::string_view message) {
  const auto size = static_cast<uint32_t>(message.size());
  std::string frame(sizeof size, '\0');
  for (size_t i = 0; i < sizeof size; ++i) frame[i] = static_cast<char>(size >> (8 * i));
  frame += message;
  return frame;
}

uint32_t size_in(std::string_view frame) {
  uint32_t size = 0;
  for (size_t i = 0; i < sizeof size; ++i) {
    size |= static_cast<uint32_t>(static_cast<unsigned char>(frame[i])) << (8 * i);
  }
  return size;
}

}  // namespace

void shut_streams(uv_loop_t* loop) {
  const auto shut = [](uv_handle_t* handle, void*) {
    uv_os_fd_t fd = -1;
    const bool is_stream = handle->type == UV_TCP || handle->type == UV_NAMED_PIPE;
    if (is_stream && uv_fileno(handle, &fd) == 0) ::shutdown(fd, SHUT_RDWR);
  };
  uv_walk(loop, shut, nullptr);
}

// Our messages to one server.
struct RaftStreams::Outgoing {
  Outgoing(RaftStreams* streams, uint64_t to) : owner(streams), server(to) {}

  RaftStreams* const owner;
  const uint64_t server;
  uv_stream_t* stream = nullptr;
  bool connecting = false;
  std::vector<std::string> waiting;  // For the stream to open.
  size_t waiting_bytes = 0;
  uint64_t back_off_ms = 0, not_before = 0;
};

// What another server opened.
struct RaftStreams::Incoming {
  Incoming(RaftStreams* streams, uint64_t server, StreamUse used_for, uv_stream_t* opened)
      : owner(streams), from(server), use(used_for), stream(opened), buffer(kReadBytes) {}

  RaftStreams* const owner;
  const uint64_t from;
  const StreamUse use;
  uv_stream_t* const stream;
  bool greeted = false;
  std::string read;  // Not understood yet.
  std::vector<char> buffer;
};

RaftStreams::RaftStreams(uv_loop_t* loop, std::shared_ptr<LoopQueue> queue, const Replication& self)
    : loop_(loop), queue_(std::move(queue)), self_(self) {
  ORCH_CHECK(self.address.size() <= kMaxAddressBytes);
  next_try_.data = this;
  ORCH_CHECK(uv_timer_init(loop_, &next_try_) == 0);
  transport_.version = 1;
  transport_.impl = this;
  transport_.init = [](raft_uv_transport*, raft_id, const char*) { return 0; };
  transport_.listen = [](raft_uv_transport* transport, raft_uv_accept_cb accept) {
    of(transport)->accept_ = accept;
    return 0;
  };
  transport_.connect = [](raft_uv_transport* transport, raft_uv_connect* request, raft_id server,
                          const char* address, raft_uv_connect_cb done) {
    request->cb = done;
    of(transport)->connect({server, address, request, done});
    return 0;
  };
  transport_.close = [](raft_uv_transport* transport, raft_uv_transport_close_cb done) {
    of(transport)->accept_ = nullptr;
    of(transport)->cancel_connecting();
    done(transport);
  };
}

RaftStreams::~RaftStreams() = default;

void RaftStreams::set_members(const std::vector<Member>& members) {
  const auto before = std::exchange(members_, {});
  for (const Member& member : members) members_[member.server] = member.address;
  for (const auto& [server, address] : members_) {
    const auto known = before.find(server);
    if (server == self_.server || (known != before.end() && known->second == address)) continue;
    tries_.forget(server);
    const Outgoing& out = outgoing(server);
    if (out.stream == nullptr && !out.connecting) connect_messages(server);
  }
  dial_those_due();
}

std::string RaftStreams::address_of(uint64_t server) const {
  if (const auto heard = heard_.find(server); heard != heard_.end()) return heard->second;
  const auto known = members_.find(server);
  return known == members_.end() ? "" : known->second;
}

// --- Opening.

// `opened` gets no descriptor when it failed. It is called later, and not after close().
void RaftStreams::open(uint64_t server, const std::string& address, StreamUse use,
                       std::function<void(UniqueFd)> opened) {
  const auto connected = [queue = queue_, opened = std::move(opened),
                          own = self_.address](Result<UniqueFd> fd) {
    auto stream = std::make_shared<UniqueFd>();
    if (fd.ok()) *stream = *std::move(fd);
    // Nothing was written to it yet, so there is room for so little.
    const std::string greeting = static_cast<char>(own.size()) + own;
    const auto size = static_cast<ssize_t>(greeting.size());
    if (*stream && ::send(stream->get(), greeting.data(), greeting.size(),
                          MSG_NOSIGNAL | MSG_DONTWAIT) != size) {
      stream->reset();
    }
    queue->post([opened, stream] { opened(std::move(*stream)); });
  };
  self_.streams->connect(server, address, use, connected);
}

uv_stream_t* RaftStreams::adopt(UniqueFd fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return nullptr;
  const bool is_pipe = address.ss_family == AF_UNIX;
  // libraft frees what it is given, so it is made with its allocator.
  auto* const stream =
      static_cast<uv_stream_t*>(raft_calloc(1, std::max(sizeof(uv_pipe_t), sizeof(uv_tcp_t))));
  ORCH_CHECK(stream != nullptr);
  auto* const pipe = reinterpret_cast<uv_pipe_t*>(stream);
  auto* const tcp = reinterpret_cast<uv_tcp_t*>(stream);
  ORCH_CHECK((is_pipe ? uv_pipe_init(loop_, pipe, 0) : uv_tcp_init(loop_, tcp)) == 0);
  const int code = is_pipe ? uv_pipe_open(pipe, fd.get()) : uv_tcp_open(tcp, fd.get());
  if (code != 0) {
    uv_close(handle_of(stream), free_stream);
    return nullptr;
  }
  fd.release();
  return stream;
}

// --- Our messages, out.

void RaftStreams::send(uint64_t server, std::string message) {
  if (closed_) return;
  Outgoing& out = outgoing(server);
  std::string frame = frame_of(message);
  if (out.stream != nullptr) return write(out, std::move(frame));
  if (!out.connecting && now() < out.not_before) return;
  if (out.waiting_bytes + frame.size() > kMaxUnsentBytes) return;
  out.waiting_bytes += frame.size();
  out.waiting.push_back(std::move(frame));
  if (!out.connecting) connect_messages(server);
}

RaftStreams::Outgoing& RaftStreams::outgoing(uint64_t server) {
  auto& out = outgoing_[server];
  if (!out) out = std::make_unique<Outgoing>(this, server);
  return *out;
}

void RaftStreams::connect_messages(uint64_t server) {
  Outgoing& out = *outgoing_[server];
  out.connecting = true;
  open(server, address_of(server), StreamUse::messages,
       [this, server](UniqueFd fd) { take_outgoing(server, std::move(fd)); });
}

void RaftStreams::take_outgoing(uint64_t server, UniqueFd fd) {
  Outgoing& out = *outgoing_[server];
  out.connecting = false;
  const std::vector<std::string> waiting = std::exchange(out.waiting, {});
  out.waiting_bytes = 0;
  out.stream = fd ? adopt(std::move(fd)) : nullptr;
  if (out.stream == nullptr) {
    out.back_off_ms = std::clamp(out.back_off_ms * 2, kMinBackOffMs, kMaxBackOffMs);
    out.not_before = now() + out.back_off_ms;
    return;
  }
  out.back_off_ms = 0;
  out.stream->data = &out;
  // Nothing comes; but that way its end is noticed.
  const auto give = [](uv_handle_t*, size_t, uv_buf_t* buffer) {
    static char nowhere[8];
    *buffer = uv_buf_init(nowhere, sizeof nowhere);
  };
  const auto end = [](uv_stream_t* stream, ssize_t, const uv_buf_t*) {
    auto* const ended = static_cast<Outgoing*>(stream->data);
    ended->owner->drop_outgoing(ended->server);
  };
  uv_read_start(out.stream, give, end);
  for (const std::string& frame : waiting) {
    if (out.stream != nullptr) write(out, frame);
  }
}

void RaftStreams::write(Outgoing& out, std::string frame) {
  if (uv_stream_get_write_queue_size(out.stream) + frame.size() > kMaxUnsentBytes) return;
  struct Writing {
    uv_write_t request{};
    std::string bytes;
  };
  auto* const writing = new Writing{.bytes = std::move(frame)};
  const uv_buf_t buffer =
      uv_buf_init(writing->bytes.data(), static_cast<unsigned>(writing->bytes.size()));
  writing->request.data = writing;
  const auto written = [](uv_write_t* request, int) {
    delete static_cast<Writing*>(request->data);
  };
  if (uv_write(&writing->request, out.stream, &buffer, 1, written) == 0) return;
  delete writing;
  drop_outgoing(out.server);
}

void RaftStreams::drop_outgoing(uint64_t server) {
  uv_stream_t* const stream = std::exchange(outgoing_[server]->stream, nullptr);
  if (stream != nullptr) uv_close(handle_of(stream), free_stream);
}

// --- What comes in.

void RaftStreams::accept(uint64_t from, StreamUse use, UniqueFd fd) {
  if (closed_ || incoming_.size() >= kMaxIncoming) return;
  uv_stream_t* const stream = adopt(std::move(fd));
  if (stream == nullptr) return;
  // The same server's older one, should it not have ended yet, has nothing more to say.
  for (Incoming* other : std::set(incoming_)) {
    if (other->from == from && other->use == use) drop_incoming(other);
  }
  auto* const in = new Incoming(this, from, use, stream);
  incoming_.insert(in);
  stream->data = in;
  const auto give = [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
    auto* const reader = static_cast<Incoming*>(handle->data);
    size_t wanted = reader->buffer.size();
    // Of libraft's, not a byte more than the greeting is ours to read.
    if (!reader->greeted) {
      const auto& read = reader->read;
      wanted = read.empty() ? 1 : 1 + static_cast<unsigned char>(read[0]) - read.size();
    }
    *buffer = uv_buf_init(reader->buffer.data(), static_cast<unsigned>(wanted));
  };
  uv_read_start(stream, give, read_some);
}

void RaftStreams::read_some(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
  auto* const in = static_cast<Incoming*>(stream->data);
  RaftStreams* const self = in->owner;
  if (size == 0) return;
  if (size < 0) return self->drop_incoming(in);
  const std::string_view bytes(buffer->base, static_cast<size_t>(size));
  if (!self->take_bytes(in, bytes)) self->drop_incoming(in);
}

// False: what it says makes no sense.
bool RaftStreams::take_bytes(Incoming* in, std::string_view bytes) {
  in->read += bytes;
  if (!in->greeted) {
    if (in->read[0] == '\0') return false;
    if (in->read.size() > static_cast<unsigned char>(in->read[0])) greeted(in);
    return true;
  }
  std::string_view rest = in->read;
  while (rest.size() >= sizeof(uint32_t)) {
    const size_t length = size_in(rest);
    if (length > kMaxMessageBytes) return false;
    if (rest.size() < sizeof(uint32_t) + length) break;
    receive_(in->from, rest.substr(sizeof(uint32_t), length));
    rest.remove_prefix(sizeof(uint32_t) + length);
  }
  in->read.erase(0, in->read.size() - rest.size());
  return true;
}

void RaftStreams::greeted(Incoming* in) {
  const std::string address = in->read.substr(1);
  heard_[in->from] = address;
  in->greeted = true;
  in->read.clear();
  showed_up(in->from);
  if (in->use == StreamUse::messages) return;
  uv_read_stop(in->stream);
  incoming_.erase(in);
  uv_stream_t* const stream = in->stream;
  const uint64_t from = in->from;
  delete in;
  stream->data = nullptr;
  if (accept_ == nullptr) return uv_close(handle_of(stream), free_stream);
  // libraft closes its own stream when an address differs from the one it knows.
  const auto known = members_.find(from);
  const std::string& name = known == members_.end() ? address : known->second;
  accept_(&transport_, from, name.c_str(), stream);
}

void RaftStreams::drop_incoming(Incoming* in) {
  incoming_.erase(in);
  uv_close(handle_of(in->stream), free_stream);
  delete in;
}

void RaftStreams::close() {
  closed_ = true;
  for (Incoming* in : std::set(incoming_)) drop_incoming(in);
  for (const auto& [server, out] : outgoing_) drop_outgoing(server);
  uv_close(reinterpret_cast<uv_handle_t*>(&next_try_), nullptr);
}

}  // namespace orch::store
