// Reading HTTP/1.1 messages (RFC 9112) under limits, bytes in, values out. No I/O.
//
// Boost.Beast's parser sits behind this header, in parser.cpp alone. What Beast leaves open is
// refused here: transfer codings other than chunked, and HTTP/1.1 requests without one Host.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/http.h"

namespace orch::http {

struct MessageLimits {
  size_t header_bytes;
  uint64_t body_bytes;
  // Of requests: whether one's body may be longer. Asked only where it is, or may be. Outlives the
  // parser; null: none may.
  const std::function<bool(const Request&)>* unlimited = nullptr;
};

// One request. Feed bytes until done() or a Status; make another parser for the next one.
class RequestParser {
 public:
  explicit RequestParser(MessageLimits limits);
  ~RequestParser();

  // The bytes consumed; what is left must be offered again with more behind it. A Status has the
  // code to answer with: 400, 413, 417, 431, 501.
  Result<size_t> feed(std::string_view bytes);
  bool done() const;
  bool started() const;
  // The head was read, the client waits for "100 Continue" before its body.
  bool expects_continue() const;
  bool keep_alive() const;
  bool http10() const;
  // The body may be longer than the limit; its length, when it was told.
  bool unlimited() const;
  std::optional<uint64_t> length() const;
  // Its body may be taken at any time.
  Request& request();

 private:
  class Beast;
  std::unique_ptr<Beast> beast_;
};

// One response. Body bytes are collected in body() and may be taken at any time.
class ResponseParser {
 public:
  // `head_request`: the response to HEAD has no body whatever its header says.
  ResponseParser(MessageLimits limits, bool head_request);
  ~ResponseParser();

  Result<size_t> feed(std::string_view bytes);
  // The peer closed: an end for bodies without a length, else a Status.
  Result<void> feed_eof();
  bool head_done() const;
  bool done() const;
  bool keep_alive() const;
  Response& head();
  std::string& body();

 private:
  class Beast;
  std::unique_ptr<Beast> beast_;
};

}  // namespace orch::http
