// A paravirtual guest of a few kilobytes for the contract of hypervisor drivers (Tests/HypervisorTests) and for `restarts`:
// it greets on its console and then does what its command line says. Made by xen.py; it needs nothing but Xen's headers.
//
//   idles         waits for ever, and hears nobody
//   powers-off    powers itself off
//   follows       powers off or restarts when the toolstack asks for it
//   panics        crashes
//   loops         restarts at once
//   resets        restarts when "data/go" is written for it in xenstore
#include <stddef.h>
#include <stdint.h>
#define __XEN_INTERFACE_VERSION__ 0x00040d00
#include <xen/xen.h>
#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>

#define PAGE 4096
#define TEXT(x) #x
#define NUMBER(x) TEXT(x)
#define NOTE(type, content) \
    ".long 4, 2f - 1f, " NUMBER(type) "\n.asciz \"Xen\"\n1: " content "\n2: .balign 4\n"
// Where the linker puts programs, and Xen's builder therefore this one.
#define BASE ".quad 0x400000"

__asm__(".section .note.xen, \"a\", @note\n"
        NOTE(XEN_ELFNOTE_GUEST_OS, ".asciz \"contract\"") NOTE(XEN_ELFNOTE_XEN_VERSION, ".asciz \"xen-3.0\"")
        NOTE(XEN_ELFNOTE_LOADER, ".asciz \"generic\"") NOTE(XEN_ELFNOTE_PAE_MODE, ".asciz \"yes\"")
        NOTE(XEN_ELFNOTE_VIRT_BASE, BASE) NOTE(XEN_ELFNOTE_PADDR_OFFSET, BASE)
        NOTE(XEN_ELFNOTE_ENTRY, ".quad _start") NOTE(XEN_ELFNOTE_HYPERCALL_PAGE, ".quad hypercalls")
        ".text\n"
        // Xen fills this page.
        ".balign 4096\n.globl hypercalls\nhypercalls: .fill 4096, 1, 0xcc\n"
        ".globl _start\n_start: cld\nand $-16, %rsp\nmov %rsi, %rdi\ncall run\n1: jmp 1b\n");

extern char hypercalls[];

static long hypercall(unsigned number, unsigned long a, unsigned long b, unsigned long c) {
    long result;
    __asm__ volatile("call *%[entry]"
                     : "=a"(result), "+D"(a), "+S"(b), "+d"(c)
                     : [entry] "r"(hypercalls + number * 32)
                     : "memory", "rcx", "r8", "r9", "r10", "r11");
    return result;
}

// Pages of others are put in the place of these.
static char shared_page[PAGE] __attribute__((aligned(PAGE)));
static char console_page[PAGE] __attribute__((aligned(PAGE)));
static char store_page[PAGE] __attribute__((aligned(PAGE)));
static evtchn_port_t console_port, store_port;

static void map(char *page, uint64_t address) {
    // Present, writable, and of the ring in which guests' kernels run.
    hypercall(__HYPERVISOR_update_va_mapping, (unsigned long)page, address | 7, UVMF_INVLPG);
}

__attribute__((noreturn)) static void shut_down(unsigned reason) {
    struct sched_shutdown order = {.reason = reason};
    for (;;) hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (unsigned long)&order, 0);
}

static void notify(evtchn_port_t port) {
    struct evtchn_send order = {.port = port};
    hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (unsigned long)&order, 0);
}

static void forget(evtchn_port_t port) {
    struct shared_info *shared = (struct shared_info *)shared_page;
    // While this says that there is something, nobody who waits is let wait.
    shared->vcpu_info[0].evtchn_upcall_pending = 0;
    __atomic_and_fetch(&shared->evtchn_pending[port / 64], ~(1ul << port % 64), __ATOMIC_SEQ_CST);
}

/// Returns at the latest when the other side tells something after `forget`.
static void wait_for(evtchn_port_t port) {
    struct sched_poll order = {.nr_ports = 1};
    order.ports.p = &port;
    hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, (unsigned long)&order, 0);
}

static void print(const char *text) {
    volatile struct xencons_interface *ring = (void *)console_page;
    XENCONS_RING_IDX at = ring->out_prod;
    while (*text) ring->out[MASK_XENCONS_IDX(at++, ring->out)] = *text++;
    __sync_synchronize();
    ring->out_prod = at;
    notify(console_port);
}

static void send(const char *bytes, size_t count) {
    volatile struct xenstore_domain_interface *ring = (void *)store_page;
    // What is asked here fits the ring.
    for (size_t i = 0; i < count; i++) ring->req[MASK_XENSTORE_IDX(ring->req_prod + i)] = bytes[i];
    __sync_synchronize();
    ring->req_prod += (XENSTORE_RING_IDX)count;
    notify(store_port);
}

static void receive(char *bytes, size_t count) {
    volatile struct xenstore_domain_interface *ring = (void *)store_page;
    for (size_t i = 0; i < count; i++) {
        for (;;) {
            forget(store_port);
            if (ring->rsp_prod != ring->rsp_cons) break;
            wait_for(store_port);
        }
        __sync_synchronize();
        bytes[i] = ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons)];
        __sync_synchronize();
        ring->rsp_cons++;
    }
}

static size_t length(const char *text) {
    size_t count = 0;
    while (text[count]) count++;
    return count;
}

/// One request of one or two words, each with its zero.
static void request(unsigned type, const char *word, const char *other) {
    size_t count = length(word) + 1, more = other ? length(other) + 1 : 0;
    struct xsd_sockmsg header = {.type = type, .len = (uint32_t)(count + more)};
    send((const char *)&header, sizeof header);
    send(word, count);
    if (more) send(other, more);
}

/// The type of the next message, whose beginning is in `text`.
static unsigned message(char *text, size_t capacity) {
    struct xsd_sockmsg header;
    receive((char *)&header, sizeof header);
    for (size_t i = 0; i < header.len; i++) {
        char byte;
        receive(&byte, 1);
        if (i + 1 < capacity) text[i] = byte;
    }
    text[header.len < capacity ? header.len : capacity - 1] = 0;
    // Once for a message, since it fits the ring.
    notify(store_port);
    return header.type;
}

/// Waits until something is written there.
static void await(const char *path, char *value, size_t capacity) {
    char ignored[64];
    request(XS_WATCH, path, "token");
    for (;;) {
        // The first comes at once.
        while (message(ignored, sizeof ignored) != XS_WATCH_EVENT) {}
        request(XS_READ, path, NULL);
        unsigned type;
        do type = message(value, capacity);
        while (type == XS_WATCH_EVENT);
        if (type == XS_READ && value[0]) return;
    }
}

void run(struct start_info *start) {
    map(shared_page, start->shared_info);
    map(console_page, (uint64_t)start->console.domU.mfn << 12);
    map(store_page, (uint64_t)start->store_mfn << 12);
    console_port = start->console.domU.evtchn;
    store_port = start->store_evtchn;
    print("hello from the guest\r\n");
    char value[16];
    // The words differ in their first two letters.
    switch (start->cmd_line[0] << 8 | start->cmd_line[1]) {
    case 'p' << 8 | 'o': shut_down(SHUTDOWN_poweroff);
    case 'p' << 8 | 'a': shut_down(SHUTDOWN_crash);
    case 'l' << 8 | 'o': shut_down(SHUTDOWN_reboot);
    case 'f' << 8 | 'o':
        await("control/shutdown", value, sizeof value);
        // Tells the toolstack that it was heard: the empty value, which is not followed by a zero.
        {
            static const char path[] = "control/shutdown";
            struct xsd_sockmsg header = {.type = XS_WRITE, .len = sizeof path};
            send((const char *)&header, sizeof header);
            send(path, sizeof path);
        }
        while (message(value + 8, 8) != XS_WRITE) {}
        shut_down(value[0] == 'r' ? SHUTDOWN_reboot : SHUTDOWN_poweroff);
    case 'r' << 8 | 'e':
        await("data/go", value, sizeof value);
        shut_down(SHUTDOWN_reboot);
    }
    for (;;) {
        forget(console_port);
        wait_for(console_port);
    }
}
