// The kernel and libc, behind plain C types only (stdint, stddef, stdbool), so that this header can be
// imported when Swift compiles for i686-unknown-none-elf, where no libc headers exist.
//
// Every function that can fail returns a negative errno (-ENOENT …), never sets a global. Names that do not
// resolve come back as -(CPOSIX_GAI + EAI_…). Sizes and times are 64 bits wide on every machine.
// All descriptors made here are close-on-exec. Timeouts are milliseconds; negative means "no limit".
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Codes above this are getaddrinfo errors.
#define CPOSIX_GAI 10000

/// The message for an errno (or CPOSIX_GAI + EAI) into `buffer`; returns its length.
int32_t cposix_error_text(int32_t code, char *buffer, size_t capacity);

// MARK: files
enum {
    CPOSIX_READ = 1, CPOSIX_WRITE = 2, CPOSIX_CREATE = 4, CPOSIX_TRUNCATE = 8, CPOSIX_APPEND = 16,
    CPOSIX_EXCLUSIVE = 32, CPOSIX_DIRECTORY = 64, CPOSIX_NOFOLLOW = 128, CPOSIX_NONBLOCK = 256,
};
int32_t cposix_open(const char *path, int32_t flags, uint32_t mode);
int32_t cposix_close(int32_t fd);
int64_t cposix_read(int32_t fd, void *buffer, size_t count);
int64_t cposix_write(int32_t fd, const void *bytes, size_t count);
int64_t cposix_pread(int32_t fd, void *buffer, size_t count, int64_t offset);
int64_t cposix_pwrite(int32_t fd, const void *bytes, size_t count, int64_t offset);
/// whence: 0 from the start, 1 from here, 2 from the end.
int64_t cposix_seek(int32_t fd, int64_t offset, int32_t whence);
int32_t cposix_fsync(int32_t fd, bool data_only);
int32_t cposix_ftruncate(int32_t fd, int64_t size);
int32_t cposix_set_nonblocking(int32_t fd, bool on);
int32_t cposix_duplicate(int32_t fd);
int32_t cposix_mkdir(const char *path, uint32_t mode);
int32_t cposix_rmdir(const char *path);
int32_t cposix_unlink(const char *path);
int32_t cposix_rename(const char *from, const char *to);
int32_t cposix_link(const char *from, const char *to);
int32_t cposix_symlink(const char *target, const char *path);
int64_t cposix_readlink(const char *path, char *buffer, size_t capacity);
int64_t cposix_realpath(const char *path, char *buffer, size_t capacity);
int32_t cposix_chmod(const char *path, uint32_t mode);
int32_t cposix_fchmod(int32_t fd, uint32_t mode);
int32_t cposix_chown(const char *path, uint32_t uid, uint32_t gid);
/// Sets access and modification time; negative milliseconds mean now.
int32_t cposix_utimes(const char *path, int64_t milliseconds);
int32_t cposix_executable(const char *path);
uint32_t cposix_umask(uint32_t mask);

struct cposix_stat {
    int64_t size;
    int64_t allocated;  // bytes on disk
    int64_t modified;   // milliseconds since 1970
    int64_t inode;
    int64_t device;
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint32_t links;
};
int32_t cposix_stat_path(const char *path, bool follow, struct cposix_stat *out);
int32_t cposix_stat_fd(int32_t fd, struct cposix_stat *out);

struct cposix_directory;
struct cposix_directory *cposix_opendir(const char *path, int32_t *error);
/// Length of the next name, 0 at the end, negative errno. "." and ".." are left out.
int32_t cposix_readdir(struct cposix_directory *directory, char *name, size_t capacity);
void cposix_closedir(struct cposix_directory *directory);

int32_t cposix_flock(int32_t fd, bool block);
int32_t cposix_unlock(int32_t fd);
/// Bytes: total, free for root, available to others.
int32_t cposix_statvfs(const char *path, int64_t *total, int64_t *free, int64_t *available);
/// FICLONE: makes `to` share all blocks of `from`; -EOPNOTSUPP and the like where the file system cannot.
int32_t cposix_reflink(int32_t from, int32_t to);
/// Next data (or hole) at or after offset; -ENXIO when there is none.
int64_t cposix_seek_data(int32_t fd, int64_t offset, bool hole);

// MARK: sockets
int32_t cposix_tcp_listen(const char *address, uint16_t port, int32_t backlog, uint16_t *actual);
/// The same at an IPv4 address, for connections that arrive over one interface only. Needs CAP_NET_RAW.
int32_t cposix_tcp_listen_device(const char *device, const char *address, uint16_t port, int32_t backlog);
/// A socket for IPv4 datagrams to a port that arrive over one interface. Needs CAP_NET_RAW. Read it with cposix_receive.
int32_t cposix_datagram_device(const char *device, uint16_t port);
/// Sends a datagram to everybody on the socket's interface.
int32_t cposix_datagram_broadcast(int32_t fd, uint16_t port, const void *bytes, size_t count);
int32_t cposix_tcp_connect(const char *host, uint16_t port, int64_t timeout);
int32_t cposix_unix_listen(const char *path, uint32_t mode, int32_t backlog);
int32_t cposix_unix_connect(const char *path, int64_t timeout);
int32_t cposix_accept(int32_t fd, int64_t timeout, char *peer, size_t capacity);
int32_t cposix_socketpair(int32_t *first, int32_t *second);
int32_t cposix_pipe(int32_t *reading, int32_t *writing);
/// Reads at most count bytes as soon as any are there; 0 at the end of the stream.
int64_t cposix_receive(int32_t fd, void *buffer, size_t count, int64_t timeout);
/// Writes some bytes (at least one) as soon as there is room.
int64_t cposix_send(int32_t fd, const void *bytes, size_t count, int64_t timeout);
/// Sends one datagram to a Unix socket, without waiting. A name that begins with @ is in the abstract namespace.
int32_t cposix_unix_datagram(const char *name, const void *bytes, size_t count);
/// how: 0 reading, 1 writing, 2 both.
int32_t cposix_shutdown(int32_t fd, int32_t how);
int32_t cposix_peer_name(int32_t fd, bool local, char *text, size_t capacity);

enum { CPOSIX_READABLE = 1, CPOSIX_WRITABLE = 2, CPOSIX_HANGUP = 4 };
struct cposix_poll { int32_t fd; int16_t events; int16_t ready; };
/// How many are ready; 0 after the timeout.
int32_t cposix_poll(struct cposix_poll *items, int32_t count, int64_t timeout);

// MARK: processes
struct cposix_spawn {
    const char *path;
    const char *arguments;    // argc strings, each ended by NUL
    int32_t argc;
    const char *environment;  // envc strings "NAME=value", each ended by NUL
    int32_t envc;
    const char *directory;    // or NULL
    int32_t standard[3];      // descriptors that become 0, 1, 2
    bool new_session;
    bool die_with_parent;
    const int32_t *inherited; // ascending descriptors >= 3 that stay open under the same number
    int32_t inherited_count;
};
/// Returns the pid, or the negative errno of what failed, also of exec itself.
int32_t cposix_spawn(const struct cposix_spawn *request);
/// 1 when pid (a child) has ended, 0 when not within the timeout. Does not reap.
int32_t cposix_wait_exit(int32_t pid, int64_t timeout);
/// Reaps a child that has ended: 0, or 1 if it has not ended. code: exit code, or signal if signaled.
int32_t cposix_reap(int32_t pid, int32_t *code, bool *signaled);
int32_t cposix_kill(int32_t pid, int32_t signal);
int32_t cposix_pidfd_open(int32_t pid);
int32_t cposix_pidfd_signal(int32_t pidfd, int32_t signal);
int32_t cposix_pid(void);
uint32_t cposix_uid(void);
void cposix_exit(int32_t code) __attribute__((noreturn));
int64_t cposix_ticks_per_second(void);

// MARK: threads, time, signals
/// Starts a detached thread that runs body(context).
int32_t cposix_thread_start(const char *name, size_t stack, void (*body)(void *), void *context);
void *cposix_mutex_create(void);
void cposix_mutex_destroy(void *mutex);
void cposix_mutex_lock(void *mutex);
void cposix_mutex_unlock(void *mutex);
void *cposix_condition_create(void);
void cposix_condition_destroy(void *condition);
/// True when signalled (or woken without reason), false after the timeout.
bool cposix_condition_wait(void *condition, void *mutex, int64_t timeout);
void cposix_condition_signal(void *condition);
void cposix_condition_broadcast(void *condition);
int64_t cposix_clock_nanoseconds(bool monotonic);
void cposix_sleep(int64_t milliseconds);
/// Blocks SIGTERM, SIGINT, SIGHUP and SIGUSR1 in this thread and those it starts from now on.
void cposix_block_signals(void);
/// Waits until one of the blocked signals arrives and returns its number; 0 after the timeout.
int32_t cposix_wait_signal(int64_t timeout);

// MARK: the host
int32_t cposix_hostname(char *buffer, size_t capacity);
int32_t cposix_machine(char *buffer, size_t capacity);
int32_t cposix_kernel(char *buffer, size_t capacity);
int32_t cposix_cpus(void);
int32_t cposix_random(void *buffer, size_t count);
/// Numeric addresses of a host name, each ended by a line feed; returns their length together.
int32_t cposix_resolve(const char *host, char *buffer, size_t capacity);
/// The name that belongs to a numeric address; -(CPOSIX_GAI + EAI_NONAME) when none does.
int32_t cposix_reverse(const char *address, char *buffer, size_t capacity);
/// "name address" of every address of this host's interfaces that are up, each ended by a line feed.
int32_t cposix_interfaces(char *buffer, size_t capacity);
/// Whether the kernel's clock is kept in step with others (adjtimex), and its greatest error in microseconds.
int32_t cposix_clock_synchronized(bool *synchronized, int64_t *error_microseconds);
/// NULL when not set. The text belongs to the process.
const char *cposix_getenv(const char *name);
/// The index-th "NAME=value", or NULL past the end.
const char *cposix_environment(int32_t index);
