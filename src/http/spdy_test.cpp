#include "http/spdy.h"

#include <zlib.h>

#include <catch2/catch_test_macros.hpp>

#include "http/spdy_dictionary.h"

namespace orch::http::spdy {
namespace {

std::vector<Frame> some_frames() {
  const Headers headers = {{"streamtype", "data"}, {"port", "80"}, {"requestid", "0"}};
  return {SynStream{1, 0, false, headers},
          SynReply{1, false, {}},
          SynStream{3, 1, true, headers},
          MoreHeaders{3, false, {{"a", ""}, {"b", std::string(9000, 'x')}}},
          Data{1, false, "hello"},
          Data{1, true, ""},
          Reset{3, 5},
          Settings{{{kSettingInitialWindow, 1 << 20}, {4, 100}}},
          Ping{7},
          GoAway{3, 0},
          WindowUpdate{1, 65536}};
}

TEST_CASE("spdy: what one end writes the other reads, however it is cut") {
  for (const size_t step : {1, 3, 7, 100000}) {
    Encoder encoder;
    std::string bytes;
    for (const Frame& frame : some_frames()) bytes += encoder.encode(frame);
    Decoder decoder;
    std::vector<Frame> read;
    for (size_t at = 0; at < bytes.size(); at += step) {
      decoder.append(std::string_view(bytes).substr(at, step));
      for (;;) {
        auto next = decoder.next();
        REQUIRE(next.ok());
        if (!*next) break;
        read.push_back(std::move(**next));
      }
    }
    CHECK(read == some_frames());
  }
}

TEST_CASE("spdy: the wire is that of the specification") {
  Encoder encoder;
  CHECK(encoder.encode(Data{1, true, "ab"}) == std::string("\0\0\0\1\1\0\0\2ab", 10));
  CHECK(encoder.encode(Ping{2}) == std::string("\x80\3\0\6\0\0\0\4\0\0\0\2", 12));
  CHECK(encoder.encode(Reset{1, 5}) == std::string("\x80\3\0\3\0\0\0\10\0\0\0\1\0\0\0\5", 16));
  const std::string dictionary = compression_dictionary();
  CHECK(dictionary.size() == 1423);
  // The checksum by which peers recognize it.
  CHECK(::adler32(1, reinterpret_cast<const Bytef*>(dictionary.data()),
                  static_cast<uInt>(dictionary.size())) == 0xe3c6a7c2);
}

Status failure(std::string_view bytes) {
  Decoder decoder;
  decoder.append(bytes);
  for (;;) {
    auto next = decoder.next();
    if (!next.ok()) return next.status();
    if (!*next) return Status{0, "", "", {}};
  }
}

TEST_CASE("spdy: what is malformed ends it") {
  using std::string;
  CHECK(failure(string("\0\0\0\0\0\0\0\0", 8)).code == 400);             // Data of stream 0.
  CHECK(failure(string("\0\0\0\1\0\xff\xff\xff", 8)).code == 400);       // Too large.
  CHECK(failure(string("\x80\2\0\6\0\0\0\4\0\0\0\2", 12)).code == 400);  // Version 2.
  CHECK(failure(string("\x80\3\0\6\0\0\0\3\0\0\0", 11)).code == 400);    // A short ping.
  CHECK(failure(string("\x80\3\0\4\0\0\0\4\0\0\1\0", 12)).code == 400);
  CHECK(failure(string("\x80\3\0\1\0\0\0\x0e\0\0\0\1\0\0\0\0\0\0junk", 22)).code == 400);
  CHECK(failure(string("\x80\3\0\x63\0\0\0\1x", 9)).code == 0);  // Unknown: skipped.
  // A header block that unpacks to more than the limit.
  z_stream stream{};
  REQUIRE(::deflateInit(&stream, 9) == Z_OK);
  string text(1 << 20, '\0'), packed(64 << 10, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  ::deflate(&stream, Z_SYNC_FLUSH);
  packed.resize(stream.total_out);
  ::deflateEnd(&stream);
  string bomb("\x80\3\0\2\0\0", 6);
  bomb += static_cast<char>((packed.size() + 4) >> 8);
  bomb += static_cast<char>(packed.size() + 4);
  bomb += string("\0\0\0\1", 4) + packed;
  CHECK(failure(bomb).message == "SPDY: headers too large");
}

}  // namespace
}  // namespace orch::http::spdy
