#include "http/parser.h"

// Beast 1.74 needs std::exchange and does not include it.
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <utility>

#include "base/strings.h"

namespace orch::http {

namespace beast = boost::beast;
using BeastError = beast::http::error;

namespace {

std::string copy(beast::string_view text) { return {text.data(), text.size()}; }

// What to answer to a message that could not be read.
Status parse_status(const beast::error_code& error) {
  if (error == BeastError::body_limit) return too_large("the request's body is too large");
  if (error == BeastError::header_limit)
    return Status{431, "RequestHeaderFieldsTooLarge", "the request's header is too large", {}};
  return bad_request("malformed HTTP message: " + error.message());
}

// put() until it wants more or the message ended.
template <class Parser>
Result<size_t> put_all(Parser& parser, std::string_view bytes, const Status& refusal) {
  size_t used = 0;
  while (!parser.is_done()) {
    beast::error_code error;
    used += parser.put({bytes.data() + used, bytes.size() - used}, error);
    if (error == BeastError::need_more) break;
    if (error && refusal.code != 0) return refusal;
    if (error) return parse_status(error);
    if (used == bytes.size()) break;
  }
  return used;
}

// Stops Beast with an error of ours; the real reason is kept beside it.
beast::error_code refused() { return make_error_code(BeastError::bad_field); }

}  // namespace

class RequestParser::Beast : public beast::http::basic_parser<true> {
 public:
  Request request;
  Status refusal{0, "", "", {}};
  bool expects_continue = false;
  bool http10 = false;
  bool unlimited = false;
  MessageLimits limits{};
  std::optional<uint64_t> length;

 private:
  // A body longer than the limit, or of which that isn't known yet.
  void check_length(uint64_t bytes, bool known, beast::error_code& error) {
    if (known && bytes <= limits.body_bytes) return;
    unlimited =
        unlimited || (limits.unlimited && *limits.unlimited && (*limits.unlimited)(request));
    if (bytes > limits.body_bytes && !unlimited)
      refuse(too_large("the request's body is too large"), error);
  }
  void refuse(Status status, beast::error_code& error) {
    refusal = std::move(status);
    error = refused();
  }

  void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target,
                       int version, beast::error_code&) override {
    request.method = copy(method);
    request.target = copy(target);
    http10 = version == 10;
  }
  void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}

  void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                     beast::error_code&) override {
    if (!is_header_done()) request.headers.add(copy(name), copy(value));  // Else a trailer.
  }

  void on_header_impl(beast::error_code& error) override {
    const Headers& headers = request.headers;
    if (headers.has("Transfer-Encoding") &&
        to_lower(trim(headers.get("Transfer-Encoding"))) != "chunked")
      return refuse(Status{501, "", "only the transfer coding \"chunked\" is known", {}}, error);
    if (!http10 && headers.all("Host").size() != 1)
      return refuse(bad_request("an HTTP/1.1 request needs exactly one Host"), error);
    const std::string_view expect = headers.get("Expect");
    if (!expect.empty() && to_lower(expect) != "100-continue")
      return refuse(Status{417, "", "only \"100-continue\" can be expected", {}}, error);
    expects_continue = !http10 && !expect.empty();
    if (const auto told = content_length()) length = *told;
    if (length) check_length(*length, true, error);
    if (chunked()) check_length(0, false, error);
  }

  void on_body_init_impl(const boost::optional<std::uint64_t>& length,
                         beast::error_code&) override {
    // Trust a length only as far as bytes have a price: the rest grows as it arrives.
    static constexpr std::uint64_t trusted_length = 64 << 10;
    if (length) request.body.reserve(std::min(*length, trusted_length));
  }
  size_t on_body_impl(beast::string_view bytes, beast::error_code&) override {
    request.body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t size, beast::string_view,
                            beast::error_code& error) override {
    // No sum of these overflows: what is held is within the limit.
    if (!unlimited && size > limits.body_bytes - request.body.size())
      refuse(too_large("the request's body is too large"), error);
  }
  size_t on_chunk_body_impl(std::uint64_t, beast::string_view bytes, beast::error_code&) override {
    request.body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_finish_impl(beast::error_code&) override {}
};

RequestParser::RequestParser(MessageLimits limits) : beast_(std::make_unique<Beast>()) {
  beast_->eager(true);
  beast_->header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  beast_->body_limit(UINT64_MAX);  // Counted here, where it is known whose it is.
  beast_->limits = limits;
}
RequestParser::~RequestParser() = default;

Result<size_t> RequestParser::feed(std::string_view bytes) {
  return put_all(*beast_, bytes, beast_->refusal);
}
bool RequestParser::done() const { return beast_->is_done(); }
bool RequestParser::started() const { return beast_->got_some(); }
bool RequestParser::expects_continue() const {
  return beast_->is_header_done() && beast_->expects_continue;
}
bool RequestParser::keep_alive() const { return beast_->keep_alive(); }
bool RequestParser::http10() const { return beast_->http10; }
bool RequestParser::unlimited() const { return beast_->unlimited; }
std::optional<uint64_t> RequestParser::length() const { return beast_->length; }
Request& RequestParser::request() { return beast_->request; }

class ResponseParser::Beast : public beast::http::basic_parser<false> {
 public:
  Response head;
  std::string body;
  Status refusal{0, "", "", {}};

 private:
  void on_request_impl(beast::http::verb, beast::string_view, beast::string_view, int,
                       beast::error_code&) override {}
  void on_response_impl(int code, beast::string_view, int, beast::error_code&) override {
    head.status = code;
  }
  void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                     beast::error_code&) override {
    if (!is_header_done()) head.headers.add(copy(name), copy(value));
  }
  void on_header_impl(beast::error_code& error) override {
    const std::string_view coding = head.headers.get("Transfer-Encoding");
    if (coding.empty() || to_lower(trim(coding)) == "chunked") return;
    refusal = bad_request("unknown transfer coding in the response");
    error = refused();
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code&) override {}
  size_t on_body_impl(beast::string_view bytes, beast::error_code&) override {
    body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, beast::error_code&) override {}
  size_t on_chunk_body_impl(std::uint64_t, beast::string_view bytes, beast::error_code&) override {
    body.append(bytes.data(), bytes.size());
    return bytes.size();
  }
  void on_finish_impl(beast::error_code&) override {}
};

ResponseParser::ResponseParser(MessageLimits limits, bool head_request)
    : beast_(std::make_unique<Beast>()) {
  beast_->eager(true);
  beast_->skip(head_request);
  beast_->header_limit(static_cast<std::uint32_t>(limits.header_bytes));
  beast_->body_limit(limits.body_bytes);
}
ResponseParser::~ResponseParser() = default;

Result<size_t> ResponseParser::feed(std::string_view bytes) {
  return put_all(*beast_, bytes, beast_->refusal);
}

Result<void> ResponseParser::feed_eof() {
  if (!beast_->got_some()) return service_unavailable("the connection closed before an answer");
  beast::error_code error;
  beast_->put_eof(error);
  if (error) return service_unavailable("the connection closed within an answer");
  return {};
}
bool ResponseParser::head_done() const { return beast_->is_header_done(); }
bool ResponseParser::done() const { return beast_->is_done(); }
bool ResponseParser::keep_alive() const { return beast_->keep_alive(); }
Response& ResponseParser::head() { return beast_->head; }
std::string& ResponseParser::body() { return beast_->body; }

}  // namespace orch::http
