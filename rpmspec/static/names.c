/* Host and user names in a static program.
 *
 * glibc looks names up with modules that /etc/nsswitch.conf names (sss, myhostname, mdns4 ...), which a static program
 * loads from the host together with the host's own C library: another version of glibc, and a crash. What reads
 * /etc/hosts, /etc/passwd, /etc/group and /etc/resolv.conf is inside the program (since glibc 2.34), so the databases
 * that we use are fixed to that before main. musl has nothing to fix.
 */
#include <features.h>

#ifdef __GLIBC__
#include <nss.h>
#include <unistd.h>

__attribute__((constructor)) static void use_builtin_names(void)
{
    static const char *const databases[][2] = {
        {"hosts", "files dns"}, {"networks", "files"},  {"passwd", "files"},    {"group", "files"},
        {"shadow", "files"},    {"services", "files"},  {"protocols", "files"}, {"initgroups", "files"},
        {"netgroup", "files"},  {"publickey", "files"}, {"rpc", "files"},       {"ethers", "files"},
    };
    for (unsigned i = 0; i < sizeof databases / sizeof *databases; i++) {
        if (__nss_configure_lookup(databases[i][0], databases[i][1]) != 0) {
            static const char said[] = "cannot fix the order in which names are looked up: out of memory\n";
            if (write(2, said, sizeof said - 1) < 0) { /* nobody listens */ }
            _exit(70);
        }
    }
}
#endif
