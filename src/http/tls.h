// TLS settings: contexts for servers and clients from PEM texts, and who the peer is. TLS 1.2 or
// newer, ALPN "http/1.1" only. Contexts are immutable once made: a renewal makes another one.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "http/client.h"
#include "http/server.h"
#include "http/transport.h"

namespace orch::http {

using SslContext = std::shared_ptr<SSL_CTX>;

Result<SslContext> make_server_context(const TlsServerConfig& config);
Result<SslContext> make_client_context(const ClientOptions& options);

UniqueSsl make_server_ssl(const SslContext& context);
// `host` is verified against the certificate: as an address when it is one, else as a DNS name.
UniqueSsl make_client_ssl(const SslContext& context, const std::string& host, bool verify);

// Fills everything but the address from the verified client certificate, if there is one.
Peer peer_identity(SSL* ssl);

}  // namespace orch::http
