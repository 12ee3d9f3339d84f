/* Records what a process writes and synchronises, so that a power cut can be replayed at any moment (LD_PRELOAD).
 * Log entry: operation (one byte), offset, length of path, length of data (little-endian 64 bits), path, data. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void record_path(char operation, const char *path, uint64_t offset, const void *data, uint64_t length) {
    static ssize_t (*real_write)(int, const void *, size_t);
    const char *folder = getenv("RECORD_FOLDER");
    ssize_t size = strlen(path);
    if (!folder || strncmp(path, folder, strlen(folder)))
        return;
    if (!real_write)
        real_write = dlsym(RTLD_NEXT, "write");
    pthread_mutex_lock(&lock);
    if (log_fd < 0)
        log_fd = open(getenv("RECORD_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    uint64_t head[3] = {offset, (uint64_t)size, length};
    if (real_write(log_fd, &operation, 1) != 1 || real_write(log_fd, head, sizeof head) != sizeof head ||
        real_write(log_fd, path, size) != size || (length && real_write(log_fd, data, length) != (ssize_t)length))
        abort();
    pthread_mutex_unlock(&lock);
}

static void record(char operation, int fd, uint64_t offset, const void *data, uint64_t length) {
    char link[64], path[4096] = {0};
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) > 0)
        record_path(operation, path, offset, data, length);
}

int unlink(const char *path) {
    static int (*real)(const char *);
    if (!real)
        real = dlsym(RTLD_NEXT, "unlink");
    int done = real(path);
    if (!done)
        record_path('d', path, 0, 0, 0);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real)
        real = dlsym(RTLD_NEXT, "pwrite64");
    ssize_t done = real(fd, data, length, offset);
    if (done > 0)
        record('w', fd, offset, data, done);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }

int ftruncate64(int fd, off64_t length) {
    static int (*real)(int, off64_t);
    if (!real)
        real = dlsym(RTLD_NEXT, "ftruncate64");
    int done = real(fd, length);
    if (!done)
        record('t', fd, length, 0, 0);
    return done;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fsync(int fd) {
    static int (*real)(int);
    if (!real)
        real = dlsym(RTLD_NEXT, "fsync");
    int done = real(fd);
    record('s', fd, 0, 0, 0);
    return done;
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real)
        real = dlsym(RTLD_NEXT, "fdatasync");
    int done = real(fd);
    record('s', fd, 0, 0, 0);
    return done;
}
