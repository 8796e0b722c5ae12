// BlockingHTTP: an HTTP/1.1 server and client with one thread per connection, over `Posix` and `TLS`.
// Written by hand because no HTTP library compiles as Embedded Swift for i386.
//
// Lives here: messages, their strict parsing (RFC 9112), the server, the client, URLs.
// Does not: routes, SOAP, HTTP/2, redirects, proxies, compression.
// Fails on the server side with a 4xx/5xx answer and the connection closed; on the client side with `HTTPClientError`.
//
// Whatever could be read in two ways (two lengths, a length and chunks, bare line feeds, folded headers, odd chunk
// sizes) is refused, so that nothing can be smuggled past whoever reads it the other way.
