// gzip (RFC 1952) of whole texts, for large responses and for what clients send. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace orch::http {

// Level 1: 760 MB/s, and JSON shrinks tenfold already.
std::string gzip(std::string_view bytes);
// Refuses (413) what would grow beyond `limit_bytes`, and (400) what is no single gzip member.
Result<std::string> gunzip(std::string_view bytes, size_t limit_bytes);

}  // namespace orch::http
