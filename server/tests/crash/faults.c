/* Faults of a disk and of a machine, for a program that is not changed for it: loaded by LD_PRELOAD, this stands between the program
 * and the C library, and counts each operation that changes something below a folder. At a chosen one it kills the process, or the
 * operation fails. It can also record all of them, so that the crash suite can tell what a power cut would have left.
 *
 *   FAULTS_ROOT    the folder
 *   FAULTS_STATE   a file of struct state, shared by all processes and by the crash suite
 *   FAULTS_TRACE   where to record operations, if at all
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum what { NOTHING, KILL, KILL_TORN, FAIL_ONCE, FAIL_UNTIL_HEALED };
enum role { ANY, SERVER, WORKER };
enum op { CREATE = 1, MKDIR, WRITE, TRUNCATE, SYNC, RENAME, LINK, UNLINK, RMDIR, OPEN };

static const char *const names[] = {"",     "create", "mkdir",  "write", "truncate", "sync",
                                    "rename", "link",   "unlink", "rmdir", "open"};

/* server/tests/crash/shim.rs has the same layout. */
struct state {
    uint64_t operations; /* of all processes */
    uint64_t matched;    /* of them those that `match` and `role` choose */
    uint64_t at;         /* the fault comes at this one of them, counted from 1 */
    uint64_t what;
    uint64_t error;
    uint64_t role;
    uint64_t healed; /* operations succeed again */
    uint64_t fired;
    char match[192]; /* "operation file", each number and each hash as '#'; empty for all */
    char where[256]; /* the operation at which the fault came */
};

static struct state *state;
static const char *root;
static size_t root_length;
static enum role role;
static int trace = -1;
static pthread_mutex_t tracing = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("FAULTS_STATE");
    const char *folder = getenv("FAULTS_ROOT");
    if (!file || !folder) return;
    int fd = REAL(open)(file, O_RDWR | O_CLOEXEC);
    if (fd < 0) abort();
    void *map = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) abort();
    REAL(close)(fd);
    char line[256] = {0};
    int own = REAL(open)("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t length = own < 0 ? 0 : read(own, line, sizeof line - 1);
    if (own >= 0) close(own);
    const char *second = line + strlen(line) + 1;
    role = second < line + length && strcmp(second, "worker") == 0 ? WORKER : SERVER;
    const char *path = getenv("FAULTS_TRACE");
    if (path) trace = REAL(open)(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    root = folder;
    root_length = strlen(folder);
    state = map;
}

/* Whether a path is the folder or below it. */
static int below(const char *path) {
    return state && strncmp(path, root, root_length) == 0 &&
           (path[root_length] == 0 || path[root_length] == '/');
}

/* The path of an open file, if it is a file or a folder below the root. */
static int path_of(int fd, char *path) {
    struct stat is;
    if (!state || fstat(fd, &is) || !(S_ISREG(is.st_mode) || S_ISDIR(is.st_mode))) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return below(path);
}

/* The path that a call with a folder means. */
static int resolve(int folder, const char *given, char *path) {
    if (!state) return 0;
    if (given[0] == '/' || folder == AT_FDCWD) {
        if (strlen(given) >= PATH_MAX) return 0;
        strcpy(path, given);
        return below(path);
    }
    if (!path_of(folder, path)) return 0;
    size_t length = strlen(path);
    if (length + strlen(given) + 2 > PATH_MAX) return 0;
    path[length] = '/';
    strcpy(path + length + 1, given);
    return 1;
}

/* "operation file", where what differs between two runs of the program is left out. */
static void label(enum op op, const char *path, char *text, size_t size) {
    const char *name = strrchr(path, '/');
    name = strlen(path) == root_length ? "." : name ? name + 1 : path;
    size_t n = (size_t)snprintf(text, size, "%s ", names[op]);
    /* A folder of a run has the run's identifier as its name. */
    if (strlen(name) == 36 && name[8] == '-' && name[13] == '-') name = "RUN";
    while (*name && n + 1 < size) {
        size_t hash = strspn(name, "0123456789abcdef"), digits = strspn(name, "0123456789");
        size_t skipped = hash >= 16 ? hash : digits;
        text[n++] = skipped ? '#' : *name;
        name += skipped ? skipped : 1;
    }
    text[n] = 0;
}

/* Whether this error comes at such an operation: a full disk removes and renames, one that is read-only does nothing. */
static int can_fail(enum op op, int grows) {
    if (state->error != ENOSPC) return 1;
    return op == CREATE || op == MKDIR || op == WRITE || op == LINK || (op == TRUNCATE && grows);
}

/* Counts an operation. Returns 0 if it is to be done, 1 if half of it is to be done before the end, or -1 with an error. */
static int step(enum op op, const char *path, int grows) {
    char text[192];
    label(op, path, text, sizeof text);
    __atomic_add_fetch(&state->operations, 1, __ATOMIC_SEQ_CST);
    if (state->role != ANY && state->role != role) return 0;
    if (state->match[0] && strcmp(state->match, text) != 0 && state->what != FAIL_UNTIL_HEALED) return 0;
    int fails = state->what == FAIL_ONCE || state->what == FAIL_UNTIL_HEALED;
    if (fails && !can_fail(op, grows)) return 0;
    int matches = !state->match[0] || strcmp(state->match, text) == 0;
    uint64_t number = matches ? __atomic_add_fetch(&state->matched, 1, __ATOMIC_SEQ_CST) : state->matched;
    int is_it = matches && number == state->at;
    int later = state->what == FAIL_UNTIL_HEALED && state->fired && !state->healed;
    if (!state->at || state->what == NOTHING || !(is_it || later)) return 0;
    if (__atomic_add_fetch(&state->fired, 1, __ATOMIC_SEQ_CST) == 1)
        snprintf(state->where, sizeof state->where, "%s: %s", role == WORKER ? "worker" : "server", text);
    if (fails) {
        errno = (int)state->error;
        return -1;
    }
    if (state->what == KILL_TORN && op == WRITE) return 1;
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* Recording: the operation and its record are one step for all processes. */
static void lock_trace(void) {
    if (trace < 0) return;
    pthread_mutex_lock(&tracing);
    while (flock(trace, LOCK_EX) && errno == EINTR) {}
}

static void unlock_trace(void) {
    if (trace < 0) return;
    int error = errno;
    flock(trace, LOCK_UN);
    pthread_mutex_unlock(&tracing);
    errno = error;
}

struct head {
    uint8_t op, role;
    uint16_t a, b, unused;
    uint64_t data, inode, offset;
};

static void record(enum op op, uint64_t inode, uint64_t offset, const char *a, const char *b,
                   const void *data, size_t length) {
    if (trace < 0) return;
    int error = errno;
    struct head head = {(uint8_t)op, (uint8_t)role, (uint16_t)strlen(a), (uint16_t)strlen(b), 0,
                        length, inode, offset};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)a, head.a}, {(void *)b, head.b}, {(void *)data, length}};
    ssize_t whole = (ssize_t)(sizeof head + head.a + head.b + length);
    if (REAL(writev)(trace, parts, 4) != whole) abort();
    errno = error;
}

static uint64_t inode_of(int fd) {
    struct stat is;
    return fstat(fd, &is) ? 0 : is.st_ino;
}

static uint64_t inode_at(const char *path) {
    struct stat is;
    return lstat(path, &is) ? 0 : is.st_ino;
}

/* ---- opening ---- */

static int open_at(int folder, const char *given, int flags, mode_t mode) {
    char path[PATH_MAX];
    int changes = flags & (O_CREAT | O_TRUNC) || (flags & O_ACCMODE) != O_RDONLY;
    if ((flags & O_TMPFILE) == O_TMPFILE || !changes || !resolve(folder, given, path))
        return REAL(openat)(folder, given, flags, mode);
    struct stat is;
    lock_trace();
    int exists = stat(path, &is) == 0;
    int creates = (flags & O_CREAT) && !exists;
    if (exists && S_ISDIR(is.st_mode)) {
        unlock_trace();
        return REAL(openat)(folder, given, flags, mode);
    }
    if (step(creates ? CREATE : flags & O_TRUNC ? TRUNCATE : OPEN, path, 0) < 0) {
        unlock_trace();
        return -1;
    }
    int fd = REAL(openat)(folder, given, flags, mode);
    if (fd >= 0) {
        if (creates) record(CREATE, inode_of(fd), 0, path, "", NULL, 0);
        else if (flags & O_TRUNC) record(TRUNCATE, inode_of(fd), 0, path, "", NULL, 0);
    }
    unlock_trace();
    return fd;
}

#define MODE(flags)                                            \
    mode_t mode = 0;                                           \
    if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) { \
        va_list rest;                                          \
        va_start(rest, flags);                                 \
        mode = (mode_t)va_arg(rest, int);                      \
        va_end(rest);                                          \
    }

int open(const char *path, int flags, ...) {
    MODE(flags)
    return open_at(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags)
    return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int openat(int folder, const char *path, int flags, ...) {
    MODE(flags)
    if (!state) return (int)((int (*)(int, const char *, int, mode_t))real("openat"))(folder, path, flags, mode);
    return open_at(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...) {
    MODE(flags)
    return open_at(folder, path, flags | O_LARGEFILE, mode);
}

/* ---- writing ---- */

/* `at` is -1 for the file's own position. */
static ssize_t write_at(int fd, const void *bytes, size_t length, off_t at) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return at < 0 ? REAL(write)(fd, bytes, length) : REAL(pwrite)(fd, bytes, length, at);
    lock_trace();
    int half = step(WRITE, path, 1);
    if (half < 0) {
        unlock_trace();
        return -1;
    }
    if (half) length /= 2;
    ssize_t done = at < 0 ? REAL(write)(fd, bytes, length) : REAL(pwrite)(fd, bytes, length, at);
    if (half) die();
    if (done > 0) {
        off_t offset = at < 0 ? lseek(fd, 0, SEEK_CUR) - done : at;
        record(WRITE, inode_of(fd), (uint64_t)offset, path, "", bytes, (size_t)done);
    }
    unlock_trace();
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) { return write_at(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return write_at(fd, bytes, length, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) { return write_at(fd, bytes, length, at); }

ssize_t writev(int fd, const struct iovec *parts, int count) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return REAL(writev)(fd, parts, count);
    for (int i = 0; i < count; i++) /* a short write is one that is allowed */
        if (parts[i].iov_len) return write_at(fd, parts[i].iov_base, parts[i].iov_len, -1);
    return 0;
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags) {
    char path[PATH_MAX];
    if (!path_of(to, path)) return REAL(copy_file_range)(from, from_at, to, to_at, length, flags);
    errno = EOPNOTSUPP; /* the program then reads and writes */
    return -1;
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t length) {
    char path[PATH_MAX];
    if (!path_of(to, path)) return ((ssize_t (*)(int, int, off64_t *, size_t))real("sendfile64"))(to, from, at, length);
    errno = EINVAL;
    return -1;
}

static int truncate_to(int fd, off_t length) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return REAL(ftruncate)(fd, length);
    struct stat is;
    lock_trace();
    int grows = fstat(fd, &is) == 0 && is.st_size < length;
    int done = step(TRUNCATE, path, grows) < 0 ? -1 : REAL(ftruncate)(fd, length);
    if (done == 0) record(TRUNCATE, inode_of(fd), (uint64_t)length, path, "", NULL, 0);
    unlock_trace();
    return done;
}

int ftruncate(int fd, off_t length) { return truncate_to(fd, length); }
int ftruncate64(int fd, off64_t length) { return truncate_to(fd, length); }

/* ---- to the disk ---- */

static int sync_file(int fd, int (*call)(int)) {
    char path[PATH_MAX];
    if (!path_of(fd, path)) return call(fd);
    lock_trace();
    int done = step(SYNC, path, 0) < 0 ? -1 : call(fd);
    if (done == 0) record(SYNC, inode_of(fd), 0, path, "", NULL, 0);
    unlock_trace();
    return done;
}

int fsync(int fd) { return sync_file(fd, REAL(fsync)); }
int fdatasync(int fd) { return sync_file(fd, REAL(fdatasync)); }

/* ---- names ---- */

static int rename_at(int from, const char *a, int to, const char *b) {
    char old[PATH_MAX], new[PATH_MAX];
    if (!resolve(to, b, new) || !resolve(from, a, old)) return REAL(renameat)(from, a, to, b);
    lock_trace();
    int done = step(RENAME, new, 0) < 0 ? -1 : REAL(renameat)(from, a, to, b);
    if (done == 0) record(RENAME, 0, 0, old, new, NULL, 0);
    unlock_trace();
    return done;
}

int rename(const char *a, const char *b) { return rename_at(AT_FDCWD, a, AT_FDCWD, b); }
int renameat(int from, const char *a, int to, const char *b) {
    if (!state) return ((int (*)(int, const char *, int, const char *))real("renameat"))(from, a, to, b);
    return rename_at(from, a, to, b);
}

int linkat(int from, const char *a, int to, const char *b, int flags) {
    char old[PATH_MAX], new[PATH_MAX];
    if (!resolve(to, b, new) || !resolve(from, a, old)) return REAL(linkat)(from, a, to, b, flags);
    lock_trace();
    int done = step(LINK, new, 1) < 0 ? -1 : REAL(linkat)(from, a, to, b, flags);
    if (done == 0) record(LINK, 0, 0, old, new, NULL, 0);
    unlock_trace();
    return done;
}

int link(const char *a, const char *b) { return linkat(AT_FDCWD, a, AT_FDCWD, b, 0); }

int unlinkat(int folder, const char *given, int flags) {
    char path[PATH_MAX];
    if (!resolve(folder, given, path)) return REAL(unlinkat)(folder, given, flags);
    enum op op = flags & AT_REMOVEDIR ? RMDIR : UNLINK;
    lock_trace();
    int done = step(op, path, 0) < 0 ? -1 : REAL(unlinkat)(folder, given, flags);
    if (done == 0) record(op, 0, 0, path, "", NULL, 0);
    unlock_trace();
    return done;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdir(const char *given, mode_t mode) {
    char path[PATH_MAX];
    struct stat is;
    if (!resolve(AT_FDCWD, given, path) || stat(path, &is) == 0) return REAL(mkdir)(given, mode);
    lock_trace();
    int done = step(MKDIR, path, 1) < 0 ? -1 : REAL(mkdir)(given, mode);
    if (done == 0) record(MKDIR, inode_at(path), 0, path, "", NULL, 0);
    unlock_trace();
    return done;
}
