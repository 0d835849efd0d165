// request_words: what a request is about by its words alone, whether there is such a thing or not.
// Whoever asks for what there isn't is judged by that, so that a stranger learns nothing of what
// there is, and reads the same words as of what there is. PURE.
// Follows: kube-apiserver, which authorizes before it looks for the resource.
#pragma once

#include <string>
#include <string_view>

#include "server/apiserver/authorize.h"

namespace orch::apiserver {

struct RequestWords {
  std::string verb, group, resource, subresource, ns, name;
  std::string path;  // Of what is no resource's place; then the texts above but the verb are empty.

  Action action() const;  // Of this object's texts.
};

RequestWords words_of(std::string_view method, std::string_view target);

}  // namespace orch::apiserver
