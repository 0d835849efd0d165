// RapidJSON as this room has it: for json.cpp, json_write.cpp and, for the names of its errors,
// json_syntax.cpp alone.
#pragma once

#include "base/check.h"

#define RAPIDJSON_ASSERT(x) ORCH_CHECK(x)
#define RAPIDJSON_HAS_STDSTRING 1
#ifdef __SSE2__
#define RAPIDJSON_SSE2
#endif
#include <rapidjson/error/error.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/reader.h>
#include <rapidjson/writer.h>
