#include "agent/runtime/channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace orch::runtime {

namespace {

constexpr int kBacklog = 64;
constexpr size_t kMaxFdNameBytes = 4096;  // runc sends a name along with a console.

Result<sockaddr_un> address_in(const UniqueFd& folder, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(folder.get()) + "/" + name;
  if (path.size() >= sizeof address.sun_path) return bad_request("socket name too long: " + name);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// One message of at most text->size() bytes; text is cut to what came.
Result<void> receive(int socket, std::string* text, std::vector<UniqueFd>* fds) {
  iovec part{text->data(), text->size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxMessageFds)];
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t length;
  do length = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  while (length < 0 && errno == EINTR);
  if (length <= 0) return service_unavailable("the other end of the shim's socket is gone");

  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      fds->emplace_back(fd);
    }
  }
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return bad_request("a message was cut short");
  text->resize(static_cast<size_t>(length));
  return {};
}

Result<UniqueFd> open_folder(const std::string& folder) {
  UniqueFd fd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return not_found(folder + " is not there");
  if (!fd) return system_error("open " + folder, errno);
  return fd;
}

}  // namespace

Result<void> send_message(int socket, const Record& record, const std::vector<int>& fds) {
  std::string text = record.render();
  if (text.size() > kMaxMessageBytes)
    return too_large("message of " + std::to_string(text.size()) + " bytes to the shim");
  ORCH_CHECK(fds.size() <= kMaxMessageFds);

  iovec part{text.data(), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxMessageFds)] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(rights), fds.data(), sizeof(int) * fds.size());
  }
  while (::sendmsg(socket, &header, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR)
      return service_unavailable(std::string("the shim does not take a message: ") +
                                 std::strerror(errno));
  }
  return {};
}

Result<Message> receive_message(int socket) {
  // The length first: the shim's memory stays small.
  ssize_t length;
  do length = ::recv(socket, nullptr, 0, MSG_PEEK | MSG_TRUNC);
  while (length < 0 && errno == EINTR);
  if (length > static_cast<ssize_t>(kMaxMessageBytes)) return too_large("message to the shim");
  std::string text(length > 0 ? static_cast<size_t>(length) : 0, '\0');
  Message message;
  ORCH_TRY(receive(socket, &text, &message.fds));
  message.record = ORCH_TRY(Record::parse(text));
  return message;
}

Result<UniqueFd> receive_fd(int socket) {
  std::string text(kMaxFdNameBytes, '\0');
  std::vector<UniqueFd> fds;
  ORCH_TRY(receive(socket, &text, &fds));
  if (fds.size() != 1) return internal_error("expected one descriptor");
  return std::move(fds.front());
}

Result<UniqueFd> listen_in(const std::string& folder, const std::string& name, int type) {
  const UniqueFd where = ORCH_TRY(open_folder(folder));
  const sockaddr_un address = ORCH_TRY(address_in(where, name));
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd) return system_error("socket", errno);
  ::unlinkat(where.get(), name.c_str(), 0);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return system_error("bind " + folder + "/" + name, errno);
  if (::listen(fd.get(), kBacklog) != 0) return system_error("listen", errno);
  return fd;
}

Result<UniqueFd> connect_in(const std::string& folder, const std::string& name) {
  const UniqueFd where = ORCH_TRY(open_folder(folder));
  const sockaddr_un address = ORCH_TRY(address_in(where, name));
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return system_error("socket", errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return service_unavailable("the shim of " + folder +
                               " does not answer: " + std::strerror(errno));
  return fd;
}

Record success_record() { return Record{{"ok", "1"}}; }

Record failure_record(const Status& status) {
  Record record{{"reason", status.reason}, {"message", status.message}};
  record.add_number("code", status.code);
  return record;
}

Result<void> reply_status(const Record& reply) {
  if (!reply.has("code")) return {};
  Status status;
  status.code = static_cast<int>(reply.number("code"));
  status.reason = reply.text("reason");
  status.message = reply.text("message");
  return status;
}

}  // namespace orch::runtime
