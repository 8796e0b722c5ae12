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
/// For an enrolment's client: without a certificate of its own; the server's chain must hold a CA certificate with this
/// SHA-256 (32 bytes), which alone is trusted. Times are not checked. NULL with the reason in `error`.
struct cssl_context *cssl_context_create_pinned(const uint8_t *fingerprint, char *error, size_t capacity);
/// From now on no certificate is refused for its times: for hosts whose clock may be wrong.
void cssl_context_ignore_times(struct cssl_context *context);
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
/// SHA-256 of the peer's own certificate (DER); false when there is none that was verified.
bool cssl_peer_digest(struct cssl_stream *stream, uint8_t *out);
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

/// A new P-256 key in PEM (PKCS #8), with a NUL behind it: the length without, or -1 with the reason in `error`.
int32_t cssl_key_create(char *pem, size_t pem_capacity, char *error, size_t capacity);
/// The public part of a key in PEM, as DER of a SubjectPublicKeyInfo: its length, or -1 with the reason in `error`.
int32_t cssl_key_public(const void *pem, size_t count, uint8_t *out, size_t out_capacity, char *error, size_t capacity);
/// Whether a certificate (PEM) belongs to a key (PEM) and was signed by an authority (PEM), whatever the time. Gives the
/// certificate's common name and the SHA-256 of the authority's certificate (DER). False with the reason in `error`.
bool cssl_certificate_check(const void *certificate, size_t certificate_count, const void *key, size_t key_count,
                            const void *authority, size_t authority_count, char *name, size_t name_capacity,
                            uint8_t *fingerprint, char *error, size_t capacity);
