// A Duplex over a Transport: what both ends of an upgraded connection hold. One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "http/http.h"
#include "http/transport.h"

namespace orch::http {

// `early`: bytes that came with the upgrade's head; they are read first. `before_close` runs once,
// just before the descriptor is closed. write_some takes at most one TLS record. close() lets
// the peer read what was written: it waits a moment for his end, so not on an I/O
// thread. The destructor doesn't wait.
std::unique_ptr<Duplex> make_duplex(Transport transport, std::string early,
                                    std::function<void()> before_close);

// Of a connection that left a server: from now on that server's stop() leaves it alone.
void outlive_server(Duplex& duplex);

// "The peer ended the connection", which is_eof() knows by its code 0.
Status eof_status();

}  // namespace orch::http
