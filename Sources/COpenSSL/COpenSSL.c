#define _GNU_SOURCE
#include "COpenSSL.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cssl_stream {
    SSL *ssl;
    char error[256];
};

static void put(char *buffer, size_t capacity, const char *text) { snprintf(buffer, capacity, "%s", text); }

/// The fingerprint of the authority that a server presented instead of the pinned one, or "" if it presented none.
static _Thread_local char presented_authority[72];

/// The oldest error of this thread's queue (the cause), in words that say what to do.
static void explain(SSL *ssl, const char *otherwise, char *buffer, size_t capacity) {
    unsigned long code = ERR_peek_error();
    ERR_clear_error();
    if (code == 0) {
        put(buffer, capacity, otherwise);
        return;
    }
    int reason = ERR_GET_REASON(code);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
        const char *text = NULL;
        switch (reason) {
        case SSL_R_CERTIFICATE_VERIFY_FAILED: {
            long verdict = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
            switch (verdict) {
            case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
            case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
            case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
            case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
                text = "certificate signed by unknown CA: both sides need the same cloud's CA file";
                break;
            case X509_V_ERR_CERT_HAS_EXPIRED: text = "the peer's certificate has expired (or this host's clock is wrong)"; break;
            case X509_V_ERR_CERT_NOT_YET_VALID: text = "the peer's certificate is not valid yet (or this host's clock is wrong)"; break;
            case X509_V_ERR_APPLICATION_VERIFICATION:
                if (presented_authority[0])
                    snprintf(buffer, capacity, "the server's authority is sha256:%s, which is not the one that this host was told to trust: "
                             "compare AUTHORITY_FINGERPRINT with /etc/mallee/authority.fingerprint on the frontend", presented_authority);
                else put(buffer, capacity, "the server does not present an authority's certificate, so that it cannot be compared with the fingerprint");
                return;
            case X509_V_ERR_HOSTNAME_MISMATCH:
            case X509_V_ERR_IP_ADDRESS_MISMATCH: text = "the peer's certificate is for another host name or address"; break;
            default:
                snprintf(buffer, capacity, "the peer's certificate was refused: %s", X509_verify_cert_error_string(verdict));
                return;
            }
            break;
        }
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: text = "the peer sent no certificate, but one is required"; break;
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: text = "the peer requires a certificate from us"; break;
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA: text = "the peer does not know the CA that signed our certificate"; break;
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN: text = "the peer refused our certificate"; break;
        case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED: text = "the peer says that our certificate has expired"; break;
        case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE: text = "the peer ended the TLS handshake (does it require a certificate?)"; break;
        case SSL_R_HTTP_REQUEST: text = "the peer speaks plain HTTP where TLS is required"; break;
        case SSL_R_WRONG_VERSION_NUMBER: text = "the peer does not speak TLS"; break;
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: text = "no common TLS version; 1.2 is the lowest accepted"; break;
        case SSL_R_UNEXPECTED_EOF_WHILE_READING: text = "the peer closed the connection without ending TLS"; break;
        default: break;
        }
        if (text) {
            put(buffer, capacity, text);
            return;
        }
    }
    const char *text = ERR_reason_error_string(code);
    if (text) put(buffer, capacity, text);
    else ERR_error_string_n(code, buffer, capacity);
}

static SSL_CTX *fail_context(SSL_CTX *c, const char *what, const char *file, char *error, size_t capacity) {
    char reason[200];
    explain(NULL, "unknown reason", reason, sizeof reason);
    snprintf(error, capacity, "%s %s: %s", what, file ? file : "", reason);
    SSL_CTX_free(c);
    return NULL;
}

/// What both sides' contexts have in common.
static SSL_CTX *new_context(bool server, char *error, size_t capacity) {
    // No openssl.cnf: a static program must not depend on another version's. No atexit: threads may still run then.
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    ERR_clear_error();
    SSL_CTX *c = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!c) return fail_context(NULL, "cannot start OpenSSL", NULL, error, capacity);
    SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    // Resumption would spare a signature, but also keep a revoked peer alive; these connections last.
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(c, 0);
    return c;
}

/// Frees a pinned fingerprint with its context, which connections may keep longer than who made it.
static void free_pin(void *parent, void *pin, CRYPTO_EX_DATA *data, int index, long argument, void *pointer) {
    (void)parent, (void)data, (void)index, (void)argument, (void)pointer;
    free(pin);
}

static CRYPTO_ONCE pin_once = CRYPTO_ONCE_STATIC_INIT;
static int pin_index = -1;
static void make_pin_index(void) { pin_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_pin); }

/// Verifies a chain against the one authority in it that has the pinned fingerprint.
static int verify_pinned(X509_STORE_CTX *store, void *unused) {
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const unsigned char *pin = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), pin_index);
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(store);
    STACK_OF(X509) *trusted = sk_X509_new_null();
    presented_authority[0] = 0;
    if (!pin || !trusted) {
        sk_X509_free(trusted);
        X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
        return 0;
    }
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *c = sk_X509_value(chain, i);
        unsigned char digest[32];
        unsigned length = sizeof digest;
        if (X509_check_ca(c) <= 0 || X509_digest(c, EVP_sha256(), digest, &length) != 1) continue;
        if (memcmp(digest, pin, sizeof digest) == 0) sk_X509_push(trusted, c);
        for (unsigned j = 0; j < sizeof digest; j++) snprintf(presented_authority + 2 * j, 3, "%02x", digest[j]);
    }
    int ok = 0;
    if (sk_X509_num(trusted) == 0) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    } else {
        X509_STORE_CTX_set0_trusted_stack(store, trusted);
        X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(store), X509_V_FLAG_NO_CHECK_TIME);
        ok = X509_verify_cert(store) == 1;
        X509_STORE_CTX_set0_trusted_stack(store, NULL);
    }
    sk_X509_free(trusted);
    return ok;
}

struct cssl_context *cssl_context_create_pinned(const uint8_t *fingerprint, char *error, size_t capacity) {
    SSL_CTX *c = new_context(false, error, capacity);
    if (!c) return NULL;
    unsigned char *pin = malloc(32);
    if (CRYPTO_THREAD_run_once(&pin_once, make_pin_index) != 1 || pin_index < 0 || !pin) {
        free(pin);
        return (struct cssl_context *)fail_context(c, "cannot start OpenSSL", NULL, error, capacity);
    }
    memcpy(pin, fingerprint, 32);
    if (SSL_CTX_set_ex_data(c, pin_index, pin) != 1) {
        free(pin);
        return (struct cssl_context *)fail_context(c, "cannot start OpenSSL", NULL, error, capacity);
    }
    SSL_CTX_set_cert_verify_callback(c, verify_pinned, NULL);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    return (struct cssl_context *)c;
}

void cssl_context_ignore_times(struct cssl_context *context) {
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param((SSL_CTX *)context), X509_V_FLAG_NO_CHECK_TIME);
}

struct cssl_context *cssl_context_create(bool server, const char *certificate, const char *key, const char *authority,
                                         bool verify, char *error, size_t capacity) {
    SSL_CTX *c = new_context(server, error, capacity);
    if (!c) return NULL;
    if (certificate && SSL_CTX_use_certificate_chain_file(c, certificate) != 1)
        return (struct cssl_context *)fail_context(c, "cannot use certificate", certificate, error, capacity);
    if (key && SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1)
        return (struct cssl_context *)fail_context(c, "cannot use key", key, error, capacity);
    if (certificate && SSL_CTX_check_private_key(c) != 1)
        return (struct cssl_context *)fail_context(c, "the certificate does not belong to key", key, error, capacity);
    if (authority && SSL_CTX_load_verify_locations(c, authority, NULL) != 1)
        return (struct cssl_context *)fail_context(c, "cannot use CA", authority, error, capacity);
    if (authority && server) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(authority);
        if (names) SSL_CTX_set_client_CA_list(c, names);
        ERR_clear_error();
    }
    SSL_CTX_set_verify(c, verify ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE, NULL);
    return (struct cssl_context *)c;
}

void cssl_context_free(struct cssl_context *context) { SSL_CTX_free((SSL_CTX *)context); }

struct cssl_stream *cssl_stream_create(struct cssl_context *context, int32_t fd, const char *name) {
    int flags = fcntl(fd, F_GETFL);
    if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1) return NULL;
    struct cssl_stream *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->ssl = SSL_new((SSL_CTX *)context);
    bool ok = s->ssl && SSL_set_fd(s->ssl, fd) == 1;
    if (ok && name) {
        X509_VERIFY_PARAM *p = SSL_get0_param(s->ssl);
        X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        // An address is compared with addresses; only a name goes into the greeting (RFC 6066).
        if (X509_VERIFY_PARAM_set1_ip_asc(p, name) != 1)
            ok = X509_VERIFY_PARAM_set1_host(p, name, 0) == 1 && SSL_set_tlsext_host_name(s->ssl, name) == 1;
    }
    if (!ok) {
        cssl_stream_free(s);
        return NULL;
    }
    if (SSL_is_server(s->ssl)) SSL_set_accept_state(s->ssl);
    else SSL_set_connect_state(s->ssl);
    return s;
}

void cssl_stream_free(struct cssl_stream *s) {
    SSL_free(s->ssl);
    free(s);
    ERR_clear_error();
}

static int32_t outcome(struct cssl_stream *s, int result) {
    int saved = errno;
    switch (SSL_get_error(s->ssl, result)) {
    case SSL_ERROR_WANT_READ: return CSSL_WANT_READ;
    case SSL_ERROR_WANT_WRITE: return CSSL_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN: return 0;
    case SSL_ERROR_SYSCALL:
        explain(s->ssl, saved ? strerror(saved) : "the peer closed the connection", s->error, sizeof s->error);
        return CSSL_CUT_OFF;
    default: {
        unsigned long code = ERR_peek_error();
        bool cut = ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
        explain(s->ssl, "unknown reason", s->error, sizeof s->error);
        return cut ? CSSL_CUT_OFF : CSSL_FAILED;
    }
    }
}

int32_t cssl_handshake(struct cssl_stream *s) {
    ERR_clear_error();
    errno = 0;
    int r = SSL_do_handshake(s->ssl);
    if (r == 1) return 0;
    int32_t o = outcome(s, r);
    if (o == 0) {
        put(s->error, sizeof s->error, "the peer closed the connection during the handshake");
        return CSSL_CUT_OFF;
    }
    return o;
}

int64_t cssl_read(struct cssl_stream *s, void *buffer, size_t count) {
    ERR_clear_error();
    errno = 0;
    int r = SSL_read(s->ssl, buffer, count > INT_MAX ? INT_MAX : (int)count);
    return r > 0 ? r : outcome(s, r);
}

int64_t cssl_write(struct cssl_stream *s, const void *bytes, size_t count) {
    ERR_clear_error();
    errno = 0;
    int r = SSL_write(s->ssl, bytes, count > INT_MAX ? INT_MAX : (int)count);
    if (r > 0) return r;
    int32_t o = outcome(s, r);
    if (o == 0) {
        put(s->error, sizeof s->error, "the peer ended the connection");
        return CSSL_CUT_OFF;
    }
    return o;
}

void cssl_close_notify(struct cssl_stream *s) {
    ERR_clear_error();
    if (SSL_is_init_finished(s->ssl)) SSL_shutdown(s->ssl);
    ERR_clear_error();
}

int32_t cssl_pending(struct cssl_stream *s) { return SSL_has_pending(s->ssl); }
const char *cssl_stream_error(struct cssl_stream *s) { return s->error; }
const char *cssl_version(struct cssl_stream *s) { return SSL_get_version(s->ssl); }

static int32_t common_name(X509 *certificate, char *buffer, size_t capacity);

int32_t cssl_peer_name(struct cssl_stream *s, char *buffer, size_t capacity) {
    if (!(SSL_get_verify_mode(s->ssl) & SSL_VERIFY_PEER) || SSL_get_verify_result(s->ssl) != X509_V_OK) return -1;
    X509 *c = SSL_get0_peer_certificate(s->ssl);
    if (!c) return -1;
    return common_name(c, buffer, capacity);
}

bool cssl_peer_digest(struct cssl_stream *s, uint8_t *out) {
    if (!(SSL_get_verify_mode(s->ssl) & SSL_VERIFY_PEER) || SSL_get_verify_result(s->ssl) != X509_V_OK) return false;
    X509 *c = SSL_get0_peer_certificate(s->ssl);
    unsigned length = 32;
    return c && X509_digest(c, EVP_sha256(), out, &length) == 1;
}

// --- keys and certificates

static void start(void) {
    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    ERR_clear_error();
}

static bool refuse(const char *what, char *error, size_t capacity) {
    char reason[200];
    explain(NULL, "unknown reason", reason, sizeof reason);
    snprintf(error, capacity, "%s: %s", what, reason);
    return false;
}

/// Never asks for a passphrase at a terminal.
static int no_passphrase(char *buffer, int size, int writing, void *unused) {
    (void)buffer, (void)size, (void)writing, (void)unused;
    return -1;
}

static EVP_PKEY *read_key(const void *pem, size_t count) {
    BIO *in = count <= INT_MAX ? BIO_new_mem_buf(pem, (int)count) : NULL;
    EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;
    BIO_free(in);
    return key;
}

static X509 *read_certificate(const void *pem, size_t count) {
    BIO *in = count <= INT_MAX ? BIO_new_mem_buf(pem, (int)count) : NULL;
    X509 *certificate = in ? PEM_read_bio_X509(in, NULL, no_passphrase, NULL) : NULL;
    BIO_free(in);
    return certificate;
}

int32_t cssl_key_create(char *pem, size_t pem_capacity, char *error, size_t capacity) {
    start();
    int32_t result = -1;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *out = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    if (key && out && PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1) {
        long length = BIO_get_mem_data(out, &bytes);
        if (length > 0 && (size_t)length < pem_capacity) {
            memcpy(pem, bytes, (size_t)length);
            pem[length] = 0;
            OPENSSL_cleanse(bytes, (size_t)length);
            result = (int32_t)length;
        }
    }
    if (result < 0) refuse("cannot make a key", error, capacity);
    BIO_free(out);
    EVP_PKEY_free(key);
    return result;
}

int32_t cssl_key_public(const void *pem, size_t count, uint8_t *out, size_t out_capacity, char *error, size_t capacity) {
    start();
    int32_t result = -1;
    EVP_PKEY *key = read_key(pem, count);
    unsigned char *der = NULL;
    int length = key ? i2d_PUBKEY(key, &der) : -1;
    if (length > 0 && (size_t)length <= out_capacity) {
        memcpy(out, der, (size_t)length);
        result = length;
    } else {
        refuse("the key cannot be used", error, capacity);
    }
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return result;
}

/// The one common name of a certificate as UTF-8 without NUL: its length, or -1.
static int32_t common_name(X509 *certificate, char *buffer, size_t capacity) {
    X509_NAME *subject = X509_get_subject_name(certificate);
    // The last common name is the most specific one; a second would let a name be forged by position.
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return -1;
    unsigned char *text = NULL;
    int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    int32_t result = -1;
    // A NUL inside would make "admin\0.evil" look like "admin" to somebody.
    if (length >= 0 && (size_t)length < capacity && !memchr(text, 0, (size_t)length)) {
        memcpy(buffer, text, (size_t)length);
        buffer[length] = 0;
        result = length;
    }
    OPENSSL_free(text);
    return result;
}

bool cssl_certificate_check(const void *certificate, size_t certificate_count, const void *key, size_t key_count,
                            const void *authority, size_t authority_count, char *name, size_t name_capacity,
                            uint8_t *fingerprint, char *error, size_t capacity) {
    start();
    X509 *c = read_certificate(certificate, certificate_count), *a = read_certificate(authority, authority_count);
    EVP_PKEY *k = read_key(key, key_count);
    unsigned length = 32;
    bool ok = false;
    if (!k) refuse("the key cannot be read", error, capacity);
    else if (!c) refuse("the certificate cannot be read", error, capacity);
    else if (!a) refuse("the authority's certificate cannot be read", error, capacity);
    else if (X509_check_private_key(c, k) != 1) put(error, capacity, "the certificate does not belong to the key");
    else if (X509_check_ca(a) <= 0 || X509_verify(c, X509_get0_pubkey(a)) != 1)
        put(error, capacity, "the certificate was not signed by that authority");
    else if (common_name(c, name, name_capacity) < 0) put(error, capacity, "the certificate names nobody");
    else if (X509_digest(a, EVP_sha256(), fingerprint, &length) != 1)
        refuse("the authority's certificate cannot be digested", error, capacity);
    else ok = true;
    ERR_clear_error();
    EVP_PKEY_free(k);
    X509_free(c);
    X509_free(a);
    return ok;
}

struct cssl_digest *cssl_sha256_create(void) {
    EVP_MD_CTX *d = EVP_MD_CTX_new();
    if (d && EVP_DigestInit_ex(d, EVP_sha256(), NULL) == 1) return (struct cssl_digest *)d;
    EVP_MD_CTX_free(d);
    return NULL;
}

struct cssl_digest *cssl_sha256_copy(struct cssl_digest *digest) {
    EVP_MD_CTX *d = EVP_MD_CTX_new();
    if (d && EVP_MD_CTX_copy_ex(d, (EVP_MD_CTX *)digest) == 1) return (struct cssl_digest *)d;
    EVP_MD_CTX_free(d);
    return NULL;
}

bool cssl_sha256_update(struct cssl_digest *digest, const void *bytes, size_t count) {
    return EVP_DigestUpdate((EVP_MD_CTX *)digest, bytes, count) == 1;
}

bool cssl_sha256_final(struct cssl_digest *digest, uint8_t *out) {
    return EVP_DigestFinal_ex((EVP_MD_CTX *)digest, out, NULL) == 1;
}

void cssl_sha256_free(struct cssl_digest *digest) { EVP_MD_CTX_free((EVP_MD_CTX *)digest); }

bool cssl_hmac_sha256(const void *key, size_t key_count, const void *bytes, size_t count, uint8_t *out) {
    // HMAC refuses a NULL key even of length 0.
    return HMAC(EVP_sha256(), key_count ? key : "", (int)key_count, count ? bytes : (const void *)"", count, out, NULL) != NULL;
}

bool cssl_equal(const void *a, const void *b, size_t count) { return count == 0 || CRYPTO_memcmp(a, b, count) == 0; }
