#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#define _TIME_BITS 64
#include "CPosix.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/fs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#ifdef MALLEE_EMBEDDED
// What the embedded Swift runtime expects of its platform and glibc does not export when linked statically.
// Swift's objects read the guard as a plain symbol; gcc's own code uses the one in thread-local storage.
uintptr_t __stack_chk_guard = 0x595e9fbd;

__attribute__((constructor(101), optimize("no-stack-protector"))) static void seed_stack_guard(void) {
    uintptr_t seed = 0;
    if (cposix_random(&seed, sizeof seed) == 0) __stack_chk_guard = seed & ~(uintptr_t)0xff;
}

#if !(__GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 36))
void arc4random_buf(void *buffer, size_t count) {
    if (cposix_random(buffer, count) != 0) abort();
}
#endif

/// Double(String): where the number ends, or NULL. Nothing here sets a locale, so strtod reads the C locale's form.
const char *_swift_stdlib_strtod_clocale(const char *text, double *value);
const char *_swift_stdlib_strtod_clocale(const char *text, double *value) {
    char *end = NULL;
    *value = strtod(text, &end);
    return end == text ? NULL : end;
}
#endif

// A peer that hangs up must be an error where it is written to, not the end of the daemon.
__attribute__((constructor)) static void ignore_sigpipe(void) { signal(SIGPIPE, SIG_IGN); }

static int64_t now_ms(void) { return cposix_clock_nanoseconds(true) / 1000000; }

static int64_t deadline_after(int64_t timeout) { return timeout < 0 ? -1 : now_ms() + timeout; }

/// What poll takes for the time until a deadline (-1: none).
static int poll_time(int64_t deadline) {
    if (deadline < 0) return -1;
    int64_t left = deadline - now_ms();
    if (left < 0) return 0;
    return left > 1000000000 ? 1000000000 : (int)left;
}

static int32_t copy_text(const char *text, char *buffer, size_t capacity) {
    if (capacity == 0) return 0;
    size_t n = strlen(text);
    if (n >= capacity) n = capacity - 1;
    memcpy(buffer, text, n);
    buffer[n] = 0;
    return (int32_t)n;
}

#define RETRY(expression) ({ __typeof__(expression) r_; do { r_ = (expression); } while (r_ == -1 && errno == EINTR); r_; })
#define CHECK(expression) ({ __typeof__(expression) c_ = RETRY(expression); c_ == -1 ? -errno : c_; })

int32_t cposix_error_text(int32_t code, char *buffer, size_t capacity) {
    if (code >= CPOSIX_GAI) return copy_text(gai_strerror(-(code - CPOSIX_GAI)), buffer, capacity);
    char scratch[256];
    return copy_text(strerror_r(code, scratch, sizeof scratch), buffer, capacity);
}

// MARK: files

int32_t cposix_open(const char *path, int32_t flags, uint32_t mode) {
    // A daemon must not get a terminal that would hang it up.
    int f = O_CLOEXEC | O_NOCTTY;
    if ((flags & CPOSIX_READ) && (flags & CPOSIX_WRITE)) f |= O_RDWR;
    else if (flags & CPOSIX_WRITE) f |= O_WRONLY;
    else f |= O_RDONLY;
    if (flags & CPOSIX_CREATE) f |= O_CREAT;
    if (flags & CPOSIX_TRUNCATE) f |= O_TRUNC;
    if (flags & CPOSIX_APPEND) f |= O_APPEND;
    if (flags & CPOSIX_EXCLUSIVE) f |= O_EXCL;
    if (flags & CPOSIX_DIRECTORY) f |= O_DIRECTORY;
    if (flags & CPOSIX_NOFOLLOW) f |= O_NOFOLLOW;
    if (flags & CPOSIX_NONBLOCK) f |= O_NONBLOCK;
    return CHECK(open(path, f, (mode_t)mode));
}

// Linux frees the descriptor even when close is interrupted: never retry.
int32_t cposix_close(int32_t fd) { return close(fd) == -1 && errno != EINTR ? -errno : 0; }
int64_t cposix_read(int32_t fd, void *b, size_t n) { return CHECK(read(fd, b, n)); }
int64_t cposix_write(int32_t fd, const void *b, size_t n) { return CHECK(write(fd, b, n)); }
int64_t cposix_pread(int32_t fd, void *b, size_t n, int64_t at) { return CHECK(pread(fd, b, n, at)); }
int64_t cposix_pwrite(int32_t fd, const void *b, size_t n, int64_t at) { return CHECK(pwrite(fd, b, n, at)); }

int64_t cposix_seek(int32_t fd, int64_t offset, int32_t whence) {
    off_t r = lseek(fd, offset, whence == 0 ? SEEK_SET : whence == 1 ? SEEK_CUR : SEEK_END);
    return r == -1 ? -errno : r;
}

int64_t cposix_seek_data(int32_t fd, int64_t offset, bool hole) {
    off_t r = lseek(fd, offset, hole ? SEEK_HOLE : SEEK_DATA);
    return r == -1 ? -errno : r;
}

int32_t cposix_fsync(int32_t fd, bool data_only) { return data_only ? CHECK(fdatasync(fd)) : CHECK(fsync(fd)); }
int32_t cposix_ftruncate(int32_t fd, int64_t size) { return CHECK(ftruncate(fd, size)); }

int32_t cposix_set_nonblocking(int32_t fd, bool on) {
    int f = fcntl(fd, F_GETFL);
    if (f == -1) return -errno;
    return CHECK(fcntl(fd, F_SETFL, on ? f | O_NONBLOCK : f & ~O_NONBLOCK));
}

int32_t cposix_duplicate(int32_t fd) { return CHECK(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }
int32_t cposix_mkdir(const char *path, uint32_t mode) { return CHECK(mkdir(path, (mode_t)mode)); }
int32_t cposix_rmdir(const char *path) { return CHECK(rmdir(path)); }
int32_t cposix_unlink(const char *path) { return CHECK(unlink(path)); }
int32_t cposix_rename(const char *from, const char *to) { return CHECK(rename(from, to)); }
int32_t cposix_link(const char *from, const char *to) { return CHECK(link(from, to)); }
int32_t cposix_symlink(const char *target, const char *path) { return CHECK(symlink(target, path)); }
int64_t cposix_readlink(const char *path, char *b, size_t n) { return CHECK(readlink(path, b, n)); }

int64_t cposix_realpath(const char *path, char *buffer, size_t capacity) {
    char *r = realpath(path, NULL);
    if (!r) return -errno;
    int32_t n = copy_text(r, buffer, capacity);
    free(r);
    return n;
}

int32_t cposix_chmod(const char *path, uint32_t mode) { return CHECK(chmod(path, (mode_t)mode)); }
int32_t cposix_fchmod(int32_t fd, uint32_t mode) { return CHECK(fchmod(fd, (mode_t)mode)); }
int32_t cposix_chown(const char *path, uint32_t uid, uint32_t gid) { return CHECK(chown(path, uid, gid)); }

int32_t cposix_utimes(const char *path, int64_t ms) {
    if (ms < 0) return CHECK(utimensat(AT_FDCWD, path, NULL, 0));
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    struct timespec both[2] = {t, t};
    return CHECK(utimensat(AT_FDCWD, path, both, 0));
}

int32_t cposix_executable(const char *path) {
    struct stat s;
    if (stat(path, &s) == -1) return -errno;
    if (!S_ISREG(s.st_mode)) return -EACCES;
    return CHECK(access(path, X_OK));
}

uint32_t cposix_umask(uint32_t mask) { return umask((mode_t)mask); }

static int32_t fill_stat(int r, const struct stat *s, struct cposix_stat *out) {
    if (r == -1) return -errno;
    out->size = s->st_size;
    out->allocated = (int64_t)s->st_blocks * 512;
    out->modified = (int64_t)s->st_mtim.tv_sec * 1000 + s->st_mtim.tv_nsec / 1000000;
    out->inode = (int64_t)s->st_ino;
    out->device = (int64_t)s->st_dev;
    out->mode = s->st_mode;
    out->uid = s->st_uid;
    out->gid = s->st_gid;
    out->links = (uint32_t)s->st_nlink;
    return 0;
}

int32_t cposix_stat_path(const char *path, bool follow, struct cposix_stat *out) {
    struct stat s;
    return fill_stat(follow ? stat(path, &s) : lstat(path, &s), &s, out);
}

int32_t cposix_stat_fd(int32_t fd, struct cposix_stat *out) {
    struct stat s;
    return fill_stat(fstat(fd, &s), &s, out);
}

struct cposix_directory *cposix_opendir(const char *path, int32_t *error) {
    DIR *d = opendir(path);
    *error = d ? 0 : errno;
    return (struct cposix_directory *)d;
}

int32_t cposix_readdir(struct cposix_directory *directory, char *name, size_t capacity) {
    for (;;) {
        errno = 0;
        struct dirent *e = readdir((DIR *)directory);
        if (!e) return errno ? -errno : 0;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        return copy_text(e->d_name, name, capacity);
    }
}

void cposix_closedir(struct cposix_directory *directory) { closedir((DIR *)directory); }

int32_t cposix_flock(int32_t fd, bool block) { return CHECK(flock(fd, LOCK_EX | (block ? 0 : LOCK_NB))); }
int32_t cposix_unlock(int32_t fd) { return CHECK(flock(fd, LOCK_UN)); }

int32_t cposix_statvfs(const char *path, int64_t *total, int64_t *free_, int64_t *available) {
    struct statvfs v;
    if (RETRY(statvfs(path, &v)) == -1) return -errno;
    *total = (int64_t)v.f_blocks * (int64_t)v.f_frsize;
    *free_ = (int64_t)v.f_bfree * (int64_t)v.f_frsize;
    *available = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
    return 0;
}

int32_t cposix_reflink(int32_t from, int32_t to) { return CHECK(ioctl(to, FICLONE, from)); }

// MARK: sockets

static int32_t resolve(const char *host, uint16_t port, int flags, struct addrinfo **out) {
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags};
    int e = getaddrinfo(host, service, &hints, out);
    if (e == 0) return 0;
    return e == EAI_SYSTEM ? -errno : -(CPOSIX_GAI - e);
}

int32_t cposix_tcp_listen(const char *address, uint16_t port, int32_t backlog, uint16_t *actual) {
    struct addrinfo *list;
    int32_t e = resolve(address, port, AI_NUMERICHOST | AI_PASSIVE, &list);
    if (e) return e;
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1
        || bind(fd, list->ai_addr, list->ai_addrlen) == -1 || listen(fd, backlog) == -1
        || getsockname(fd, (struct sockaddr *)&bound, &length) == -1) {
        e = -errno;
        if (fd != -1) close(fd);
        freeaddrinfo(list);
        return e;
    }
    freeaddrinfo(list);
    if (actual)
        *actual = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                    : ((struct sockaddr_in *)&bound)->sin_port);
    return fd;
}

static int device_socket(int type, const char *device) {
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd == -1) return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1
        || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device) + 1) == -1) {
        int e = -errno;
        close(fd);
        return e;
    }
    return fd;
}

int32_t cposix_tcp_listen_device(const char *device, const char *address, uint16_t port, int32_t backlog) {
    struct sockaddr_in bound = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, address, &bound.sin_addr) != 1) return -EINVAL;
    int fd = device_socket(SOCK_STREAM, device);
    if (fd < 0) return fd;
    if (bind(fd, (struct sockaddr *)&bound, sizeof bound) == -1 || listen(fd, backlog) == -1) {
        int e = -errno;
        close(fd);
        return e;
    }
    return fd;
}

int32_t cposix_datagram_device(const char *device, uint16_t port) {
    struct sockaddr_in bound = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;
    int fd = device_socket(SOCK_DGRAM, device);
    if (fd < 0) return fd;
    // What goes to a paravirtual interface has no checksum yet, which DHCP clients with raw sockets would take for a
    // wrong one; none at all is allowed (RFC 768).
    if (setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on) == -1
        || setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof on) == -1
        || bind(fd, (struct sockaddr *)&bound, sizeof bound) == -1) {
        int e = -errno;
        close(fd);
        return e;
    }
    return fd;
}

int32_t cposix_datagram_broadcast(int32_t fd, uint16_t port, const void *bytes, size_t count) {
    struct sockaddr_in all = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_BROADCAST)};
    return sendto(fd, bytes, count, MSG_NOSIGNAL, (struct sockaddr *)&all, sizeof all) == -1 ? -errno : 0;
}

/// Waits for one descriptor: 0 ready, -ETIMEDOUT, or another negative errno.
static int32_t wait_for(int fd, short events, int64_t deadline) {
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int r = poll(&p, 1, poll_time(deadline));
        if (r > 0) return 0;
        if (r == -1 && errno != EINTR) return -errno;
        if (deadline >= 0 && now_ms() >= deadline) return -ETIMEDOUT;
    }
}

static int32_t connect_one(int family, const struct sockaddr *address, socklen_t length, int64_t deadline) {
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1) return -errno;
    int32_t e = 0;
    if (connect(fd, address, length) == -1) {
        e = -errno;
        // A Unix socket whose backlog is full says EAGAIN and has no event to wait for.
        while (e == -EAGAIN && family == AF_UNIX && (deadline < 0 || now_ms() < deadline)) {
            cposix_sleep(5);
            e = connect(fd, address, length) == -1 ? -errno : 0;
        }
        if (e == -EINPROGRESS || e == -EINTR) {
            e = wait_for(fd, POLLOUT, deadline);
            if (e == 0) {
                int pending = 0;
                socklen_t size = sizeof pending;
                e = getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &size) == -1 ? -errno : -pending;
            }
        }
    }
    if (e) {
        close(fd);
        return e;
    }
    int on = 1;
    if (family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    return fd;
}

int32_t cposix_tcp_connect(const char *host, uint16_t port, int64_t timeout) {
    int64_t deadline = deadline_after(timeout);
    struct addrinfo *list;
    int32_t e = resolve(host, port, AI_ADDRCONFIG, &list);
    if (e) {
        // AI_ADDRCONFIG hides ::1 and 127.0.0.1 on a host without any other address.
        e = resolve(host, port, 0, &list);
        if (e) return e;
    }
    int32_t r = -EADDRNOTAVAIL;
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        r = connect_one(a->ai_family, a->ai_addr, a->ai_addrlen, deadline);
        if (r >= 0 || r == -ETIMEDOUT) break;
    }
    freeaddrinfo(list);
    return r;
}

static int32_t unix_address(const char *path, struct sockaddr_un *out) {
    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof out->sun_path) return -ENAMETOOLONG;
    strcpy(out->sun_path, path);
    return 0;
}

int32_t cposix_unix_listen(const char *path, uint32_t mode, int32_t backlog) {
    struct sockaddr_un a;
    int32_t e = unix_address(path, &a);
    if (e) return e;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd == -1) return -errno;
    // Mode first on the socket itself, so that the file never exists with wider rights.
    if (fchmod(fd, (mode_t)mode) == -1 || bind(fd, (struct sockaddr *)&a, sizeof a) == -1
        || chmod(path, (mode_t)mode) == -1 || listen(fd, backlog) == -1) {
        e = -errno;
        close(fd);
        return e;
    }
    return fd;
}

int32_t cposix_unix_connect(const char *path, int64_t timeout) {
    struct sockaddr_un a;
    int32_t e = unix_address(path, &a);
    if (e) return e;
    return connect_one(AF_UNIX, (struct sockaddr *)&a, sizeof a, deadline_after(timeout));
}

int32_t cposix_unix_datagram(const char *name, const void *bytes, size_t count) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    bool abstract = name[0] == '@';
    // A path needs its NUL; an abstract name has none, and its bytes are counted.
    if (length + (abstract ? 0 : 1) > sizeof a.sun_path) return -ENAMETOOLONG;
    memcpy(a.sun_path, name, length);
    if (abstract) a.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd == -1) return -errno;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
    ssize_t sent = RETRY(sendto(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&a, size));
    int32_t e = sent == -1 ? -errno : 0;
    close(fd);
    return e;
}

static int32_t address_text(const struct sockaddr_storage *a, socklen_t length, char *text, size_t capacity) {
    if (a->ss_family != AF_INET && a->ss_family != AF_INET6) return copy_text("", text, capacity);
    char host[64], port[8], both[80];
    if (getnameinfo((const struct sockaddr *)a, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return copy_text("", text, capacity);
    snprintf(both, sizeof both, a->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return copy_text(both, text, capacity);
}

int32_t cposix_accept(int32_t fd, int64_t timeout, char *peer, size_t capacity) {
    int64_t deadline = deadline_after(timeout);
    struct sockaddr_storage a;
    for (;;) {
        int32_t e = wait_for(fd, POLLIN, deadline);
        if (e) return e;
        socklen_t length = sizeof a;
        memset(&a, 0, sizeof a);
        int s = accept4(fd, (struct sockaddr *)&a, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (s == -1) {
            if (errno == EINTR || errno == EAGAIN || errno == ECONNABORTED) continue;
            return -errno;
        }
        if (a.ss_family != AF_UNIX) {
            int on = 1;
            setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        }
        address_text(&a, length, peer, capacity);
        return s;
    }
}

int32_t cposix_socketpair(int32_t *first, int32_t *second) {
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == -1) return -errno;
    *first = fds[0];
    *second = fds[1];
    return 0;
}

int32_t cposix_pipe(int32_t *reading, int32_t *writing) {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) == -1) return -errno;
    *reading = fds[0];
    *writing = fds[1];
    return 0;
}

int64_t cposix_receive(int32_t fd, void *buffer, size_t count, int64_t timeout) {
    int64_t deadline = deadline_after(timeout);
    for (;;) {
        ssize_t n = recv(fd, buffer, count, MSG_DONTWAIT);
        if (n >= 0) return n;
        bool pipe = errno == ENOTSOCK;
        if (!pipe && errno != EAGAIN && errno != EINTR) return -errno;
        int32_t e = wait_for(fd, POLLIN, deadline);
        if (e) return e;
        if (!pipe) continue;
        n = read(fd, buffer, count);
        if (n >= 0) return n;
        if (errno != EAGAIN && errno != EINTR) return -errno;
    }
}

int64_t cposix_send(int32_t fd, const void *bytes, size_t count, int64_t timeout) {
    int64_t deadline = deadline_after(timeout);
    for (;;) {
        ssize_t n = send(fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) return n;
        bool pipe = errno == ENOTSOCK;
        if (!pipe && errno != EAGAIN && errno != EINTR) return -errno;
        int32_t e = wait_for(fd, POLLOUT, deadline);
        if (e) return e;
        if (!pipe) continue;
        // A blocking pipe takes PIPE_BUF bytes without blocking once it is writable.
        n = write(fd, bytes, count > 4096 ? 4096 : count);
        if (n >= 0) return n;
        if (errno != EAGAIN && errno != EINTR) return -errno;
    }
}

int32_t cposix_shutdown(int32_t fd, int32_t how) {
    return CHECK(shutdown(fd, how == 0 ? SHUT_RD : how == 1 ? SHUT_WR : SHUT_RDWR));
}

int32_t cposix_peer_name(int32_t fd, bool local, char *text, size_t capacity) {
    struct sockaddr_storage a;
    socklen_t length = sizeof a;
    memset(&a, 0, sizeof a);
    if ((local ? getsockname : getpeername)(fd, (struct sockaddr *)&a, &length) == -1) return -errno;
    return address_text(&a, length, text, capacity);
}

int32_t cposix_poll(struct cposix_poll *items, int32_t count, int64_t timeout) {
    // Most callers wait for a few; a node's event loop waits for hundreds.
    struct pollfd few[16], *p = few;
    if (count < 0) return -EINVAL;
    if (count > 16 && !(p = calloc((size_t)count, sizeof *p))) return -ENOMEM;
    for (int i = 0; i < count; i++)
        p[i] = (struct pollfd){.fd = items[i].fd,
                               .events = (short)((items[i].events & CPOSIX_READABLE ? POLLIN : 0)
                                                 | (items[i].events & CPOSIX_WRITABLE ? POLLOUT : 0))};
    int64_t deadline = deadline_after(timeout);
    int32_t result;
    for (;;) {
        int r = poll(p, (nfds_t)count, poll_time(deadline));
        if (r == -1 && errno != EINTR) {
            result = -errno;
            break;
        }
        if (r > 0 || (deadline >= 0 && now_ms() >= deadline)) {
            for (int i = 0; i < count; i++)
                items[i].ready = (int16_t)(r <= 0 ? 0
                                                  : (p[i].revents & POLLIN ? CPOSIX_READABLE : 0)
                                                        | (p[i].revents & POLLOUT ? CPOSIX_WRITABLE : 0)
                                                        | (p[i].revents & (POLLHUP | POLLERR | POLLNVAL) ? CPOSIX_HANGUP : 0));
            result = r < 0 ? 0 : r;
            break;
        }
    }
    if (p != few) free(p);
    return result;
}

// MARK: processes

static char **split(const char *blob, int32_t count) {
    char **list = calloc((size_t)count + 1, sizeof *list);
    if (!list) return NULL;
    for (int32_t i = 0; i < count; i++) {
        list[i] = (char *)blob;
        blob += strlen(blob) + 1;
    }
    return list;
}

/// Between fork and exec: closes all from first to last (inclusive), without allocating.
static void close_between(unsigned first, unsigned last) {
    if (first > last) return;
    if (syscall(SYS_close_range, first, last, 0) == 0) return;
    struct rlimit limit;
    unsigned top = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (unsigned)limit.rlim_cur : 65536;
    for (unsigned fd = first; fd <= last && fd < top; fd++) close((int)fd);
}

/// In the child. Only async-signal-safe calls from here to exec, since other threads may hold any lock.
static void run_child(const struct cposix_spawn *q, char **argv, char **envp, int report, pid_t parent) {
    int fds[3];
    if (q->new_session && setsid() == -1) goto failed;
    if (q->die_with_parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) goto failed;
        if (getppid() != parent) _exit(127);
    }
    if (q->directory && chdir(q->directory) == -1) goto failed;
    for (int i = 0; i < 3; i++)
        if ((fds[i] = fcntl(q->standard[i], F_DUPFD, 3)) == -1) goto failed;
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) == -1) goto failed;
    for (int32_t i = 0; i < q->inherited_count; i++)
        if (fcntl(q->inherited[i], F_SETFD, 0) == -1) goto failed;
    // Close all but those to be inherited and the reporting pipe; both are in ascending order once merged.
    unsigned next = 3;
    bool reported = false;
    for (int32_t i = 0; i <= q->inherited_count; i++) {
        unsigned keep = i < q->inherited_count ? (unsigned)q->inherited[i] : ~0U;
        if (!reported && (unsigned)report < keep) {
            if ((unsigned)report > next) close_between(next, (unsigned)report - 1);
            next = (unsigned)report + 1;
            reported = true;
        }
        if (keep == ~0U) close_between(next, ~0U - 1);
        else if (keep > next) close_between(next, keep - 1);
        next = keep + 1;
    }
    execve(q->path, argv, envp);
failed:;
    int code = errno;
    ssize_t ignored = write(report, &code, sizeof code);
    (void)ignored;
    _exit(127);
}

int32_t cposix_spawn(const struct cposix_spawn *q) {
    int pipe_[2];
    char **argv = split(q->arguments, q->argc), **envp = split(q->environment, q->envc);
    if (!argv || !envp || pipe2(pipe_, O_CLOEXEC) == -1) {
        int e = argv && envp ? errno : ENOMEM;
        free(argv);
        free(envp);
        return -e;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        // Handlers of the parent must not run here, and what it ignores or blocks is not the child's business.
        for (int s = 1; s < NSIG; s++)
            if (s != SIGKILL && s != SIGSTOP) signal(s, SIG_DFL);
        sigset_t none;
        sigemptyset(&none);
        pthread_sigmask(SIG_SETMASK, &none, NULL);
        run_child(q, argv, envp, pipe_[1], parent);
    }
    int e = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    free(argv);
    free(envp);
    close(pipe_[1]);
    if (pid == -1) {
        close(pipe_[0]);
        return -e;
    }
    int code = 0;
    ssize_t n = RETRY(read(pipe_[0], &code, sizeof code));
    close(pipe_[0]);
    if (n == (ssize_t)sizeof code) {
        int status;
        (void)RETRY(waitpid(pid, &status, 0));
        return -code;
    }
    return pid;
}

int32_t cposix_wait_exit(int32_t pid, int64_t timeout) {
    int64_t deadline = deadline_after(timeout);
    int pidfd = -1;
    int64_t pause = 1;
    int32_t result;
    for (;;) {
        siginfo_t info = {0};
        if (RETRY(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG)) == -1) {
            result = -errno;
            break;
        }
        if (info.si_pid == pid) {
            result = 1;
            break;
        }
        if (deadline >= 0 && now_ms() >= deadline) {
            result = 0;
            break;
        }
        if (pidfd == -1) pidfd = cposix_pidfd_open(pid);
        if (pidfd >= 0) {
            int32_t e = wait_for(pidfd, POLLIN, deadline);
            if (e < 0 && e != -ETIMEDOUT) {
                result = e;
                break;
            }
        } else {
            // Kernels before 5.3: ask again, less and less often.
            int64_t left = deadline < 0 ? pause : deadline - now_ms();
            cposix_sleep(left < pause ? left : pause);
            if (pause < 50) pause *= 2;
        }
    }
    if (pidfd >= 0) close(pidfd);
    return result;
}

int32_t cposix_reap(int32_t pid, int32_t *code, bool *signaled) {
    int status;
    pid_t r = RETRY(waitpid(pid, &status, WNOHANG));
    if (r == -1) return -errno;
    if (r == 0) return 1;
    *signaled = WIFSIGNALED(status);
    *code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    return 0;
}

int32_t cposix_kill(int32_t pid, int32_t signal) { return CHECK(kill(pid, signal)); }
int32_t cposix_pidfd_open(int32_t pid) { return (int32_t)CHECK(syscall(SYS_pidfd_open, pid, 0)); }

int32_t cposix_pidfd_signal(int32_t pidfd, int32_t signal) {
    return (int32_t)CHECK(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

int32_t cposix_pid(void) { return getpid(); }
uint32_t cposix_uid(void) { return geteuid(); }
void cposix_exit(int32_t code) { exit(code); }
int64_t cposix_ticks_per_second(void) { return sysconf(_SC_CLK_TCK); }

// MARK: threads, time, signals

struct start {
    void (*body)(void *);
    void *context;
    char name[16];  // the kernel's limit, with NUL
};

static void *thread_main(void *argument) {
    struct start s = *(struct start *)argument;
    free(argument);
    prctl(PR_SET_NAME, s.name);
    s.body(s.context);
    return NULL;
}

int32_t cposix_thread_start(const char *name, size_t stack, void (*body)(void *), void *context) {
    struct start *s = calloc(1, sizeof *s);
    if (!s) return -ENOMEM;
    s->body = body;
    s->context = context;
    copy_text(name, s->name, sizeof s->name);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (stack) pthread_attr_setstacksize(&attributes, stack);
    pthread_t thread;
    int e = pthread_create(&thread, &attributes, thread_main, s);
    pthread_attr_destroy(&attributes);
    if (e) free(s);
    return -e;
}

// Allocation of a few bytes fails only when the process is lost anyway: then stop with a message, not at random.
static void *must_allocate(size_t size) {
    void *p = calloc(1, size);
    if (!p) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return p;
}

void *cposix_mutex_create(void) {
    pthread_mutex_t *m = must_allocate(sizeof *m);
    pthread_mutex_init(m, NULL);
    return m;
}

void cposix_mutex_destroy(void *m) {
    pthread_mutex_destroy(m);
    free(m);
}

void cposix_mutex_lock(void *m) { pthread_mutex_lock(m); }
void cposix_mutex_unlock(void *m) { pthread_mutex_unlock(m); }

void *cposix_condition_create(void) {
    pthread_cond_t *c = must_allocate(sizeof *c);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attributes);
    pthread_condattr_destroy(&attributes);
    return c;
}

void cposix_condition_destroy(void *c) {
    pthread_cond_destroy(c);
    free(c);
}

bool cposix_condition_wait(void *c, void *m, int64_t timeout) {
    if (timeout < 0) return pthread_cond_wait(c, m) == 0;
    int64_t at = cposix_clock_nanoseconds(true) + timeout * 1000000;
    struct timespec t = {.tv_sec = (time_t)(at / 1000000000), .tv_nsec = (long)(at % 1000000000)};
    return pthread_cond_timedwait(c, m, &t) != ETIMEDOUT;
}

void cposix_condition_signal(void *c) { pthread_cond_signal(c); }
void cposix_condition_broadcast(void *c) { pthread_cond_broadcast(c); }

int64_t cposix_clock_nanoseconds(bool monotonic) {
    struct timespec t;
    clock_gettime(monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void cposix_sleep(int64_t ms) {
    if (ms <= 0) return;
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) == -1 && errno == EINTR) {}
}

static void stop_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, SIGUSR1);
}

void cposix_block_signals(void) {
    sigset_t set;
    stop_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int32_t cposix_wait_signal(int64_t timeout) {
    sigset_t set;
    stop_signals(&set);
    int64_t deadline = deadline_after(timeout);
    for (;;) {
        int r;
        if (timeout < 0) {
            r = sigwaitinfo(&set, NULL);
        } else {
            int64_t left = deadline - now_ms();
            if (left < 0) left = 0;
            struct timespec t = {.tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000) * 1000000};
            r = sigtimedwait(&set, NULL, &t);
        }
        if (r > 0) return r;
        if (errno == EAGAIN) return 0;
        if (errno != EINTR) return -errno;
    }
}

// MARK: the host

int32_t cposix_hostname(char *buffer, size_t capacity) {
    struct utsname u;
    return uname(&u) == -1 ? -errno : copy_text(u.nodename, buffer, capacity);
}

int32_t cposix_machine(char *buffer, size_t capacity) {
    struct utsname u;
    return uname(&u) == -1 ? -errno : copy_text(u.machine, buffer, capacity);
}

int32_t cposix_kernel(char *buffer, size_t capacity) {
    struct utsname u;
    return uname(&u) == -1 ? -errno : copy_text(u.release, buffer, capacity);
}

int32_t cposix_cpus(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (int32_t)n;
}

int32_t cposix_random(void *buffer, size_t count) {
    uint8_t *at = buffer;
    while (count > 0) {
        long n = syscall(SYS_getrandom, at, count, 0);
        if (n > 0) {
            at += n;
            count -= (size_t)n;
        } else if (errno == ENOSYS) {
            break;  // kernels before 3.17
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    if (count == 0) return 0;
    int fd = RETRY(open("/dev/urandom", O_RDONLY | O_CLOEXEC));
    if (fd == -1) return -errno;
    int32_t e = 0;
    while (count > 0 && e == 0) {
        ssize_t n = RETRY(read(fd, at, count));
        if (n > 0) {
            at += n;
            count -= (size_t)n;
        } else {
            e = n == 0 ? -EIO : -errno;
        }
    }
    close(fd);
    return e;
}

const char *cposix_getenv(const char *name) { return getenv(name); }

const char *cposix_environment(int32_t index) {
    for (int32_t i = 0; environ && environ[i]; i++)
        if (i == index) return environ[i];
    return NULL;
}

/// Adds text and a line feed at `length`; what does not fit whole is left out.
static size_t add_line(const char *text, char *buffer, size_t length, size_t capacity) {
    size_t n = strlen(text);
    if (length + n + 1 >= capacity) return length;
    memcpy(buffer + length, text, n);
    buffer[length + n] = '\n';
    buffer[length + n + 1] = 0;
    return length + n + 1;
}

int32_t cposix_resolve(const char *host, char *buffer, size_t capacity) {
    struct addrinfo *list;
    int32_t e = resolve(host, 0, 0, &list);
    if (e) return e;
    size_t length = 0;
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        char text[64];
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
            length = add_line(text, buffer, length, capacity);
    }
    freeaddrinfo(list);
    return (int32_t)length;
}

int32_t cposix_reverse(const char *address, char *buffer, size_t capacity) {
    struct addrinfo *list;
    if (resolve(address, 0, AI_NUMERICHOST, &list)) return -EINVAL;
    char name[NI_MAXHOST];
    int e = getnameinfo(list->ai_addr, list->ai_addrlen, name, sizeof name, NULL, 0, NI_NAMEREQD);
    freeaddrinfo(list);
    if (e) return e == EAI_SYSTEM ? -errno : -(CPOSIX_GAI - e);
    return copy_text(name, buffer, capacity);
}

int32_t cposix_interfaces(char *buffer, size_t capacity) {
    struct ifaddrs *list;
    if (getifaddrs(&list) == -1) return -errno;
    size_t length = 0;
    for (struct ifaddrs *i = list; i; i = i->ifa_next) {
        if (!i->ifa_addr || !(i->ifa_flags & IFF_UP)) continue;
        socklen_t size = i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
            : i->ifa_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : 0;
        char text[64], line[128];
        if (size == 0 || getnameinfo(i->ifa_addr, size, text, sizeof text, NULL, 0, NI_NUMERICHOST)) continue;
        snprintf(line, sizeof line, "%s %s", i->ifa_name, text);
        length = add_line(line, buffer, length, capacity);
    }
    freeifaddrs(list);
    return (int32_t)length;
}

int32_t cposix_clock_synchronized(bool *synchronized, int64_t *error_microseconds) {
    struct timex t = {0};
    int state = adjtimex(&t);
    if (state == -1) return -errno;
    *synchronized = state != TIME_ERROR && !(t.status & STA_UNSYNC);
    *error_microseconds = t.maxerror;
    return 0;
}
