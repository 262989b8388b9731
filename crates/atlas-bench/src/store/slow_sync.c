/* Makes every fdatasync and fsync of a program take at least SLOW_SYNC_US microseconds: a disk of that sync time, the
 * same for each store that is measured. Loaded by LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static void wait_after(struct timespec began)
{
    const char *text = getenv("SLOW_SYNC_US");
    long long left = (text ? atoll(text) : 0) * 1000;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    left -= (now.tv_sec - began.tv_sec) * 1000000000LL + (now.tv_nsec - began.tv_nsec);
    if (left > 0) {
        struct timespec rest = { left / 1000000000LL, left % 1000000000LL };
        nanosleep(&rest, 0);
    }
}

static int slow(const char *name, int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct timespec began;
    clock_gettime(CLOCK_MONOTONIC, &began);
    int result = real(fd);
    wait_after(began);
    return result;
}

int fdatasync(int fd) { return slow("fdatasync", fd); }
int fsync(int fd) { return slow("fsync", fd); }
