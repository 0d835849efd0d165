#include "http/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <climits>

namespace orch::http {

namespace {

constexpr int gzip_window_bits = 15 + 16;  // +16: zlib's way to say "with a gzip header".
constexpr int gzip_level = 1;
constexpr int default_memory_level = 8;
constexpr size_t growth_bytes = 64 << 10;

Bytef* as_zlib(const char* bytes) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes));  // zlib never writes to next_in.
}

}  // namespace

std::string gzip(std::string_view bytes) {
  ORCH_CHECK(bytes.size() <= UINT_MAX);
  z_stream stream{};
  ORCH_CHECK(deflateInit2(&stream, gzip_level, Z_DEFLATED, gzip_window_bits, default_memory_level,
                          Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = as_zlib(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = as_zlib(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ORCH_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Result<std::string> gunzip(std::string_view bytes, size_t limit_bytes) {
  if (bytes.size() > UINT_MAX) return too_large("the compressed body is too large");
  z_stream stream{};
  ORCH_CHECK(inflateInit2(&stream, gzip_window_bits) == Z_OK);
  stream.next_in = as_zlib(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  int code = Z_OK;
  while (code == Z_OK && out.size() <= limit_bytes) {
    const size_t before = out.size();
    out.resize(before + std::min(growth_bytes, limit_bytes + 1 - before));
    stream.next_out = as_zlib(out.data() + before);
    stream.avail_out = static_cast<uInt>(out.size() - before);
    code = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (out.size() == before && code == Z_OK) break;  // Truncated: it wants more input.
  }
  const bool whole = code == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  if (out.size() > limit_bytes) return too_large("the decompressed body is too large");
  if (!whole) return bad_request("the body is not valid gzip");
  return out;
}

}  // namespace orch::http
