// OpenSSL 3 behind plain C types, so that this header can be imported when Swift compiles for
// i686-unknown-none-elf. Contexts may be shared by threads; a stream is used under its owner's lock.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cssl_context;
struct cssl_stream;
struct cssl_digest;

enum { CSSL_WANT_READ = -1, CSSL_WANT_WRITE = -2, CSSL_FAILED = -3, CSSL_CUT_OFF = -4 };

/// NULL with the reason in `error`. PEM files; certificate and key may be NULL for a client without, authority may
/// be NULL where no peer is verified.
struct cssl_context *cssl_context_create(bool server, const char *certificate, const char *key, const char *authority,
                                         bool verify, char *error, size_t capacity);
void cssl_context_free(struct cssl_context *context);

/// Wraps a connected descriptor, which it makes non-blocking and does not close. A client's `name`, if not NULL, must
/// be in the server's certificate (host name or address).
struct cssl_stream *cssl_stream_create(struct cssl_context *context, int32_t fd, const char *name);
void cssl_stream_free(struct cssl_stream *stream);
/// 0 when done, or one of the codes above.
int32_t cssl_handshake(struct cssl_stream *stream);
/// Bytes read, 0 at the orderly end, or one of the codes above.
int64_t cssl_read(struct cssl_stream *stream, void *buffer, size_t count);
int64_t cssl_write(struct cssl_stream *stream, const void *bytes, size_t count);
/// Tells the peer that no more will come, if that can be done without waiting.
void cssl_close_notify(struct cssl_stream *stream);
int32_t cssl_pending(struct cssl_stream *stream);
/// Why the last call failed.
const char *cssl_stream_error(struct cssl_stream *stream);
/// Common name of the peer's verified certificate; -1 when there is none.
int32_t cssl_peer_name(struct cssl_stream *stream, char *buffer, size_t capacity);
/// "TLSv1.3".
const char *cssl_version(struct cssl_stream *stream);

/// NULL only without memory.
struct cssl_digest *cssl_sha256_create(void);
struct cssl_digest *cssl_sha256_copy(struct cssl_digest *digest);
bool cssl_sha256_update(struct cssl_digest *digest, const void *bytes, size_t count);
/// 32 bytes; the digest takes no more afterwards.
bool cssl_sha256_final(struct cssl_digest *digest, uint8_t *out);
void cssl_sha256_free(struct cssl_digest *digest);
bool cssl_hmac_sha256(const void *key, size_t key_count, const void *bytes, size_t count, uint8_t *out);
/// Takes the same time wherever the first difference is.
bool cssl_equal(const void *a, const void *b, size_t count);
