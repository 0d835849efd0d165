// The compression dictionary of SPDY/3, a constant of the protocol: in the order of the
// specification (draft-mbelshe-httpbis-spdy-00, section 2.6.10.1), first words that stand behind
// their length as 32 bits, then a text. 1423 bytes.
#pragma once

#include <string>
#include <string_view>

namespace orch::http::spdy {

inline std::string compression_dictionary() {
  static constexpr std::string_view kWords[] = {
      "options",
      "head",
      "post",
      "put",
      "delete",
      "trace",
      "accept",
      "accept-charset",
      "accept-encoding",
      "accept-language",
      "accept-ranges",
      "age",
      "allow",
      "authorization",
      "cache-control",
      "connection",
      "content-base",
      "content-encoding",
      "content-language",
      "content-length",
      "content-location",
      "content-md5",
      "content-range",
      "content-type",
      "date",
      "etag",
      "expect",
      "expires",
      "from",
      "host",
      "if-match",
      "if-modified-since",
      "if-none-match",
      "if-range",
      "if-unmodified-since",
      "last-modified",
      "location",
      "max-forwards",
      "pragma",
      "proxy-authenticate",
      "proxy-authorization",
      "range",
      "referer",
      "retry-after",
      "server",
      "te",
      "trailer",
      "transfer-encoding",
      "upgrade",
      "user-agent",
      "vary",
      "via",
      "warning",
      "www-authenticate",
      "method",
      "get",
      "status",
      "200 OK",
      "version",
      "HTTP/1.1",
      "url",
      "public",
      "set-cookie",
      "keep-alive",
      "origin",
  };
  static constexpr std::string_view kText =
      "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
      "203 Non-Authoritative Information"
      "204 No Content"
      "301 Moved Permanently"
      "400 Bad Request"
      "401 Unauthorized"
      "403 Forbidden"
      "404 Not Found"
      "500 Internal Server Error"
      "501 Not Implemented"
      "503 Service Unavailable"
      "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec "
      "00:00:00 "
      "Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
      "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,"
      "text/plain,text/javascript,public"
      "privatemax-age=gzip,deflate,sdch"
      "charset=utf-8"
      "charset=iso-8859-1,utf-,*,enq=0.";
  std::string dictionary;
  for (const std::string_view word : kWords) {
    dictionary += {0, 0, 0, static_cast<char>(word.size())};
    dictionary += word;
  }
  return dictionary += kText;
}

}  // namespace orch::http::spdy
