// mallee-xl: domains by libxenlight, in the words of xl(1) that Mallee's Xen driver uses.
//
//   mallee-xl info                    what `xl info` says, and the library's own version
//   mallee-xl list -v                 what `xl list -v` says
//   mallee-xl create [-p] FILE        a libxl_domain_config as JSON; the domain runs, or with -p is paused, when this ends with 0
//   mallee-xl unpause ID
//   mallee-xl shutdown|reboot [-F] ID
//   mallee-xl destroy ID
//
// A program of its own, and not part of mallee-node, for three reasons. libxenlight is bound to one version of the
// hypervisor, while the node is one static program for all hosts: here the loader finds the host's own library or, as
// the driver then says, none. A library call that hangs can be ended by killing this process. And libxenlight forks and
// waits for children, which a process with threads of its own should not share.
#define _GNU_SOURCE
#define LIBXL_API_VERSION 0x041400
#include <dlfcn.h>
#include <fcntl.h>
#include <libxl.h>
#include <libxl_utils.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xentoollog.h>

enum { largest_configuration = 1 << 20 };

static int failed(const char *what, int code) {
    fprintf(stderr, "%s: libxenlight says %d\n", what, code);
    return 1;
}

/// "4.17" of the file libxenlight.so.4.17.0 that the loader found.
static void library_version(char *text, size_t capacity) {
    Dl_info found;
    char path[PATH_MAX];
    const char *version = "unknown";
    if (dladdr((void *)(uintptr_t)libxl_ctx_alloc, &found) && realpath(found.dli_fname, path)) {
        const char *suffix = strstr(path, ".so.");
        if (suffix) version = suffix + strlen(".so.");
    }
    snprintf(text, capacity, "%s", version);
    // Major and minor number; the third counts builds.
    char *dot = strchr(text, '.');
    if (dot && (dot = strchr(dot + 1, '.'))) *dot = 0;
}

static int info(libxl_ctx *ctx) {
    char library[PATH_MAX];
    library_version(library, sizeof library);
    const libxl_version_info *version = libxl_get_version_info(ctx);
    libxl_physinfo physical;
    libxl_physinfo_init(&physical);
    int code = version ? libxl_get_physinfo(ctx, &physical) : ERROR_FAIL;
    if (code) return failed("asking the hypervisor", code);
    uint64_t per_page = (uint64_t)version->pagesize;
    printf("xen_major : %d\nxen_minor : %d\nxen_extra : %s\n", version->xen_version_major, version->xen_version_minor,
           version->xen_version_extra);
    printf("xen_version : %d.%d%s\nxen_caps : %s\nlibrary : %s\n", version->xen_version_major,
           version->xen_version_minor, version->xen_version_extra, version->capabilities, library);
    if (version->commandline) printf("xen_commandline : %s\n", version->commandline);
    printf("nr_cpus : %u\n", physical.nr_cpus);
    printf("total_memory : %llu\nfree_memory : %llu\n", (unsigned long long)(physical.total_pages * per_page >> 20),
           (unsigned long long)(physical.free_pages * per_page >> 20));
    libxl_physinfo_dispose(&physical);
    return 0;
}

static int list(libxl_ctx *ctx) {
    int count = 0;
    libxl_dominfo *domains = libxl_list_domain(ctx, &count);
    if (!domains) return failed("listing domains", ERROR_FAIL);
    printf("Name ID Mem VCPUs State Time(s) UUID Reason-Code Security Label\n");
    for (int i = 0; i < count; i++) {
        libxl_dominfo *d = &domains[i];
        char *name = libxl_domid_to_name(ctx, d->domid);
        bool crashed = d->shutdown && d->shutdown_reason == LIBXL_SHUTDOWN_REASON_CRASH;
        printf("%s %u %llu %u %c%c%c%c%c%c %.1f " LIBXL_UUID_FMT " ", name ? name : "(null)", d->domid,
               (unsigned long long)((d->current_memkb + d->outstanding_memkb) >> 10), d->vcpu_online,
               d->running ? 'r' : '-', d->blocked ? 'b' : '-', d->paused ? 'p' : '-', d->shutdown ? 's' : '-',
               crashed ? 'c' : '-', d->dying ? 'd' : '-', (double)d->cpu_time / 1e9, LIBXL_UUID_BYTES(d->uuid));
        if (d->shutdown) printf("%8x -\n", d->shutdown_reason);
        else printf("- -\n");
        free(name);
    }
    libxl_dominfo_list_free(domains, count);
    return 0;
}

static char *content(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd == -1 || fstat(fd, &status) == -1 || status.st_size > largest_configuration) {
        perror(path);
        if (fd != -1) close(fd);
        return NULL;
    }
    char *text = calloc(1, (size_t)status.st_size + 1);
    ssize_t length = text ? read(fd, text, (size_t)status.st_size) : -1;
    close(fd);
    if (length != status.st_size) {
        fprintf(stderr, "%s cannot be read\n", path);
        free(text);
        return NULL;
    }
    return text;
}

/// What xl does with "autoballoon": where the control domain was not given its memory when the host was started, it has
/// all of it, and gives back what a guest needs.
static int free_memory(libxl_ctx *ctx, libxl_domain_config *configuration) {
    const libxl_version_info *version = libxl_get_version_info(ctx);
    if (!version) return ERROR_FAIL;
    if (version->commandline && strstr(version->commandline, "dom0_mem=")) return 0;
    uint64_t needed;
    int code = libxl_domain_need_memory(ctx, configuration, (uint32_t)INVALID_DOMID, &needed);
    for (int attempt = 0; !code && attempt < 3; attempt++) {
        uint64_t available;
        if ((code = libxl_get_free_memory(ctx, &available)) || available >= needed) return code;
        // Less than the least that libxenlight leaves to the control domain is refused.
        if ((code = libxl_set_memory_target(ctx, 0, -(int64_t)(needed - available), 1, 0))) return code;
        code = libxl_wait_for_free_memory(ctx, 0, needed, 10);
        if (!code) return 0;
        code = libxl_wait_for_memory_target(ctx, 0, 10);
    }
    if (!code) fprintf(stderr, "not enough memory: the control domain did not give back enough\n");
    return code ? code : ERROR_NOMEM;
}

static int create(libxl_ctx *ctx, const char *path, bool paused) {
    char *text = content(path);
    if (!text) return 1;
    libxl_domain_config configuration;
    libxl_domain_config_init(&configuration);
    int code = libxl_domain_config_from_json(ctx, &configuration, text);
    free(text);
    uint32_t domain = (uint32_t)INVALID_DOMID;
    const char *what = "reading the configuration";
    if (!code) {
        what = "freeing memory for the domain";
        code = free_memory(ctx, &configuration);
    }
    if (!code) {
        what = "creating the domain";
        code = libxl_domain_create_new(ctx, &configuration, &domain, NULL, NULL);
    }
    if (!code && !paused) {
        what = "letting the domain run";
        code = libxl_domain_unpause(ctx, domain, NULL);
    }
    libxl_domain_config_dispose(&configuration);
    if (!code) return 0;
    if (domain != (uint32_t)INVALID_DOMID) libxl_domain_destroy(ctx, domain, NULL);
    return failed(what, code);
}

static int number(const char *text, uint32_t *domain) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value == 0 || value >= (uint32_t)INVALID_DOMID) {
        fprintf(stderr, "%s is not the number of a guest's domain\n", text);
        return -1;
    }
    *domain = (uint32_t)value;
    return 0;
}

static int order(libxl_ctx *ctx, const char *what, const char *text) {
    uint32_t domain;
    if (number(text, &domain)) return 2;
    int code;
    if (!strcmp(what, "destroy")) {
        code = libxl_domain_destroy(ctx, domain, NULL);
    } else if (!strcmp(what, "unpause")) {
        code = libxl_domain_unpause(ctx, domain, NULL);
    } else if (!strcmp(what, "reboot")) {
        code = libxl_domain_reboot(ctx, domain, NULL);
        // A guest without Xen's drivers has no reboot button, only that of power.
        if (code == ERROR_NOPARAVIRT) code = libxl_send_trigger(ctx, domain, LIBXL_TRIGGER_RESET, 0, NULL);
    } else {
        code = libxl_domain_shutdown(ctx, domain, NULL);
        if (code == ERROR_NOPARAVIRT) code = libxl_send_trigger(ctx, domain, LIBXL_TRIGGER_POWER, 0, NULL);
    }
    return code ? failed(what, code) : 0;
}

static int run(libxl_ctx *ctx, int count, char **words) {
    if (count == 1 && !strcmp(words[0], "info")) return info(ctx);
    if (count == 2 && !strcmp(words[0], "list") && !strcmp(words[1], "-v")) return list(ctx);
    if (count == 2 && !strcmp(words[0], "create")) return create(ctx, words[1], false);
    if (count == 3 && !strcmp(words[0], "create") && !strcmp(words[1], "-p")) return create(ctx, words[2], true);
    if (count == 3 && !strcmp(words[1], "-F")) {
        words[1] = words[2];
        count = 2;
    }
    if (count == 2 && (!strcmp(words[0], "unpause") || !strcmp(words[0], "destroy") || !strcmp(words[0], "shutdown")
                       || !strcmp(words[0], "reboot")))
        return order(ctx, words[0], words[1]);
    fprintf(stderr, "usage: mallee-xl info | list -v | create [-p] FILE | unpause ID | shutdown [-F] ID | reboot [-F] ID | "
                    "destroy ID\n");
    return 2;
}

int main(int argc, char **argv) {
    xentoollog_logger_stdiostream *logger = xtl_createlogger_stdiostream(stderr, XTL_WARN, XTL_STDIOSTREAM_HIDE_PROGRESS);
    libxl_ctx *ctx = NULL;
    if (!logger || libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, (xentoollog_logger *)logger)) {
        fprintf(stderr, "libxenlight does not work here: this is no control domain, or xenstored does not run\n");
        return 1;
    }
    int code = run(ctx, argc - 1, argv + 1);
    libxl_ctx_free(ctx);
    xtl_logger_destroy((xentoollog_logger *)logger);
    return code;
}
