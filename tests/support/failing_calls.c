/* Preloaded into a process: lets one of its changes of files fail, or remembers what was flushed.

   Counted are the calls that change a folder: opening for writing, writing, flushing, renaming,
   linking, making folders, truncating. Call number `first` fails with `reason`; with `lasting`, all
   later ones do as well. A failing write first writes half of its bytes, as a disk that runs full
   does. At call number `cut` the process dies; what was flushed until then is in `store`: the
   content of a file as `f-INODE`, the entries of a folder as `d-INODE`. Every counted call is a line
   of `list`: its name and its path. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX], store[PATH_MAX];
static size_t length;
static long first, cut, seen;
static int reason, lasting, list = -1;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

void calls_fail(const char *where, long number, int error, int stays, long dies, const char *keep,
                const char *names) {
    if (names[0]) list = REAL(open)(names, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
    snprintf(folder, sizeof folder, "%s", where);
    snprintf(store, sizeof store, "%s", keep);
    length = strlen(folder);
    first = number, reason = error, lasting = stays, cut = dies, seen = 0;
}

long calls_seen(void) { return seen; }

static int is_inside(const char *path) {
    return length && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]);
}

static int fails(const char *call, const char *path) {
    char line[PATH_MAX * 2];
    if (list >= 0) REAL(write)(list, line, snprintf(line, sizeof line, "%s %s\n", call, path));
    long number = __atomic_add_fetch(&seen, 1, __ATOMIC_RELAXED);
    if (number == cut) kill(getpid(), SIGKILL);
    if (number != first && !(lasting && first && number > first)) return 0;
    errno = reason;
    return 1;
}

static const char *path_of(int handle, char *path) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", handle);
    ssize_t size = readlink(name, path, PATH_MAX - 1);
    path[size < 0 ? 0 : size] = 0;
    return path;
}

static int handle_fails(const char *call, int handle) {
    char path[PATH_MAX];
    int before = errno;
    if (!length || !is_inside(path_of(handle, path))) { errno = before; return 0; }
    errno = before;
    return fails(call, path);
}

static int path_fails(const char *call, int at, const char *path) {
    char whole[PATH_MAX * 2], base[PATH_MAX];
    int before = errno;
    if (!length || !path) return 0;
    if (path[0] == '/') snprintf(whole, sizeof whole, "%s", path);
    else {
        if (at != AT_FDCWD) path_of(at, base);
        else if (!getcwd(base, sizeof base)) base[0] = 0;
        snprintf(whole, sizeof whole, "%s/%s", base, path);
    }
    errno = before;
    return is_inside(whole) && fails(call, whole);
}

/* Keep what a file or folder holds at the moment it is flushed. */
static void keep(const char *path) {
    struct stat facts;
    char name[PATH_MAX * 2], part[PATH_MAX * 2 + 8], buffer[1 << 16];
    if (!store[0] || stat(path, &facts)) return;
    int is_folder = S_ISDIR(facts.st_mode);
    snprintf(name, sizeof name, "%s/%c-%lu", store, is_folder ? 'd' : 'f', facts.st_ino);
    snprintf(part, sizeof part, "%s.part", name);
    int out = REAL(open)(part, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (is_folder) {
        DIR *entries = opendir(path);
        for (struct dirent *entry; entries && (entry = readdir(entries));)
            if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) {
                int size = snprintf(buffer, sizeof buffer, "%c%lu %s",
                    entry->d_type == DT_DIR ? 'd' : 'f', entry->d_ino, entry->d_name);
                REAL(write)(out, buffer, size + 1);
            }
        if (entries) closedir(entries);
    } else {
        int in = REAL(open)(path, O_RDONLY);
        for (ssize_t size; in >= 0 && (size = read(in, buffer, sizeof buffer)) > 0;)
            REAL(write)(out, buffer, size);
        close(in);
    }
    close(out);
    REAL(rename)(part, name);
}

static void keep_handle(int handle) {
    char path[PATH_MAX];
    if (length && store[0] && is_inside(path_of(handle, path))) {
        char name[64];
        snprintf(name, sizeof name, "/proc/self/fd/%d", handle);
        keep(name);
    }
}

static int keep_entry(const char *path, const struct stat *facts, int kind, struct FTW *where) {
    if (kind == FTW_F || kind == FTW_D) keep(path);
    return 0;
}

#define WRITING(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT))

#define MODE()                                                                                    \
    int mode = 0;                                                                                 \
    if (flags & (O_CREAT | __O_TMPFILE)) {                                                        \
        va_list more;                                                                             \
        va_start(more, flags);                                                                    \
        mode = va_arg(more, int);                                                                 \
        va_end(more);                                                                             \
    }

int open(const char *path, int flags, ...) {
    MODE();
    return WRITING(flags) && path_fails(__func__, AT_FDCWD, path) ? -1 : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE();
    return WRITING(flags) && path_fails(__func__, AT_FDCWD, path) ? -1 : REAL(open64)(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
    MODE();
    return WRITING(flags) && path_fails(__func__, at, path) ? -1 : REAL(openat)(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    MODE();
    return WRITING(flags) && path_fails(__func__, at, path) ? -1 : REAL(openat64)(at, path, flags, mode);
}

FILE *fopen(const char *path, const char *how) {
    return strpbrk(how, "wa+") && path_fails(__func__, AT_FDCWD, path) ? NULL : REAL(fopen)(path, how);
}

FILE *fopen64(const char *path, const char *how) {
    return strpbrk(how, "wa+") && path_fails(__func__, AT_FDCWD, path) ? NULL : REAL(fopen64)(path, how);
}

ssize_t write(int handle, const void *bytes, size_t count) {
    if (!handle_fails(__func__, handle)) return REAL(write)(handle, bytes, count);
    int error = errno;
    if (count > 1) REAL(write)(handle, bytes, count / 2);
    errno = error;
    return -1;
}

ssize_t pwrite(int handle, const void *bytes, size_t count, off_t offset) {
    return handle_fails(__func__, handle) ? -1 : REAL(pwrite)(handle, bytes, count, offset);
}

ssize_t pwrite64(int handle, const void *bytes, size_t count, off64_t offset) {
    return handle_fails(__func__, handle) ? -1 : REAL(pwrite64)(handle, bytes, count, offset);
}

ssize_t writev(int handle, const struct iovec *parts, int count) {
    return handle_fails(__func__, handle) ? -1 : REAL(writev)(handle, parts, count);
}

size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file) {
    if (file == stdout || file == stderr || !length || !handle_fails(__func__, fileno(file)))
        return REAL(fwrite)(bytes, size, count, file);
    int error = errno;
    size_t half = REAL(fwrite)(bytes, size, count / 2, file);
    errno = error;
    return half;
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t count);
ssize_t sendfile(int out, int in, off_t *offset, size_t count) {
    return handle_fails(__func__, out) ? -1
        : ((ssize_t (*)(int, int, off_t *, size_t))real("sendfile"))(out, in, offset, count);
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t count) {
    return handle_fails(__func__, out) ? -1
        : ((ssize_t (*)(int, int, off64_t *, size_t))real("sendfile64"))(out, in, offset, count);
}

int ftruncate(int handle, off_t size) {
    return handle_fails(__func__, handle) ? -1 : REAL(ftruncate)(handle, size);
}

int ftruncate64(int handle, off64_t size) {
    return handle_fails(__func__, handle) ? -1 : REAL(ftruncate64)(handle, size);
}

int truncate(const char *path, off_t size) {
    return path_fails(__func__, AT_FDCWD, path) ? -1 : REAL(truncate)(path, size);
}

int truncate64(const char *path, off64_t size) {
    return path_fails(__func__, AT_FDCWD, path) ? -1 : REAL(truncate64)(path, size);
}

int fsync(int handle) {
    if (handle_fails(__func__, handle)) return -1;
    int result = REAL(fsync)(handle);
    if (!result) keep_handle(handle);
    return result;
}

int fdatasync(int handle) {
    if (handle_fails(__func__, handle)) return -1;
    int result = REAL(fdatasync)(handle);
    if (!result) keep_handle(handle);
    return result;
}

void sync(void) { /* nothing else on the machine needs to be flushed for a test */
    if (length && store[0]) nftw(folder, keep_entry, 16, FTW_PHYS);
}

int rename(const char *from, const char *to) {
    return path_fails(__func__, AT_FDCWD, to) ? -1 : REAL(rename)(from, to);
}

int renameat(int at, const char *from, int there, const char *to) {
    return path_fails(__func__, there, to) ? -1 : REAL(renameat)(at, from, there, to);
}

int link(const char *from, const char *to) {
    return path_fails(__func__, AT_FDCWD, to) ? -1 : REAL(link)(from, to);
}

int linkat(int at, const char *from, int there, const char *to, int flags) {
    return path_fails(__func__, there, to) ? -1 : REAL(linkat)(at, from, there, to, flags);
}

int mkdir(const char *path, mode_t mode) {
    return path_fails(__func__, AT_FDCWD, path) ? -1 : REAL(mkdir)(path, mode);
}

int mkdirat(int at, const char *path, mode_t mode) {
    return path_fails(__func__, at, path) ? -1 : REAL(mkdirat)(at, path, mode);
}
