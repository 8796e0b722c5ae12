import Posix
import Testing

@testable import Hypervisor

/// The Xen driver with a program in place of xl that keeps its domains in files, and that misbehaves as told. What Xen
/// itself does is tried with a real one (`make test-xen`).
@Suite struct XenDriverTests {
    /// A host whose xl is a script.
    private final class FakeXen {
        let directory: String
        let events = EventLog()
        private(set) var driver: XenHypervisor
        /// Long enough for a loaded machine; what hangs, hangs for longer than any of them.
        private let limits: (query: Milliseconds, create: Milliseconds)

        init(_ limits: (query: Milliseconds, create: Milliseconds) = (60_000, 60_000)) throws {
            directory = try FileSystem.temporaryDirectory("/tmp/mallee-xen-")
            self.limits = limits
            try FileSystem.makeDirectory(directory + "/domains")
            try FileSystem.makeDirectory(directory + "/i-1")
            for name in ["kernel", "root.qcow2"] { try FileSystem.write(directory + "/" + name, text: "x") }
            try FileSystem.write(directory + "/xl", text: Self.script, permissions: 0o755)
            driver = try Self.driver(directory, limits)
            observe()
        }

        private static func driver(
            _ directory: String, _ limits: (query: Milliseconds, create: Milliseconds)
        ) throws -> XenHypervisor {
            try XenHypervisor(
                toolstack: XenToolstack(
                    family: .xl, program: directory + "/xl", queryTimeout: limits.query, createTimeout: limits.create),
                why: "driven by a script", sweepsBridges: false)
        }

        private func observe() { driver.setEventHandler { [events] event in events.add(event) } }

        /// As after a restart of the node controller.
        func restart() throws {
            driver.detach()
            driver = try Self.driver(directory, limits)
            observe()
        }

        /// Makes the script behave in some way: "hang-create", "hang-list", "refuse-pv", "no-memory",
        /// "no-xenstore", "refuse-create", "refuse-unpause", "refuse-destroy", "restarts" (every guest wants to be started again).
        func set(_ behaviour: String, _ isOn: Bool = true) throws {
            let path = directory + "/" + behaviour
            if isOn {
                try FileSystem.write(path, text: "")
            } else {
                try FileSystem.remove(path, ifPresent: true)
            }
        }

        /// UUIDs and states of the domains.
        var domains: [String: String] {
            get throws {
                var found: [String: String] = [:]
                for name in try FileSystem.list(directory + "/domains") where !name.hasPrefix(".") {
                    // One may be destroyed just now.
                    let path = directory + "/domains/" + name
                    guard let text = try? FileSystem.readText(path, limit: 1000) else { continue }
                    let words = text.split(separator: " ")
                    found[String(words[0])] = String(words[1])
                }
                return found
            }
        }

        /// Marks its guest's domain as one that is being made again; returns the mark's path.
        func markRestart() throws -> String {
            let path = definition.directory + "/xen.again"
            let uuid = try #require(try domains.keys.first)
            try FileSystem.write(path, text: XenHypervisor.mark(uuid: uuid, boot: try XenHypervisor.boot()))
            return path
        }

        /// Domains are destroyed from outside.
        func destroyAll() throws {
            for name in try FileSystem.list(directory + "/domains") where !name.hasPrefix(".") {
                try FileSystem.remove(directory + "/domains/" + name)
            }
        }

        /// Every domain is half made.
        func hold() throws {
            for name in try FileSystem.list(directory + "/domains") where !name.hasPrefix(".") {
                let path = directory + "/domains/" + name
                let uuid = try FileSystem.readText(path, limit: 1000).split(separator: " ")[0]
                try FileSystem.write(path, text: "\(uuid) --p--- -\n")
            }
        }

        /// Every domain has a dying one of the same UUID, listed before it.
        func addDyingTwins() throws {
            for name in try FileSystem.list(directory + "/domains") where !name.hasPrefix(".") {
                let uuid = try FileSystem.readText(directory + "/domains/" + name, limit: 1000).split(separator: " ")[0]
                try FileSystem.write(directory + "/domains/01", text: "\(uuid) -----d -\n")
            }
        }

        var definition: GuestDefinition {
            GuestDefinition(
                id: "i-1", name: "i-1", directory: directory + "/i-1", cores: 1, memoryMiB: 256, architecture: .x86_64,
                disks: [GuestDisk(path: directory + "/root.qcow2", format: .qcow2, role: .root)],
                kernel: directory + "/kernel", macAddress: "d0:0d:00:00:00:01", network: .bridge("xenbr0"))
        }

        func close() throws {
            driver.detach()
            try FileSystem.removeTree(directory)
        }

        static func with(
            _ limits: (query: Milliseconds, create: Milliseconds) = (60_000, 60_000), _ body: (FakeXen) throws -> Void
        ) throws {
            let xen = try FakeXen(limits)
            do {
                try body(xen)
            } catch {
                try xen.close()
                throw error
            }
            try xen.close()
        }

        private static let script = #"""
            #!/bin/sh
            # Domains are files named by their number: UUID, state, why it ended.
            cd "$(dirname "$0")" || exit 1
            [ -e no-xenstore ] && { echo "libxl: cannot connect to xenstored" >&2; exit 1; }
            case $1 in
            info)
                echo "xen_major : 4"
                echo "xen_minor : 17"
                echo "xen_version : 4.17.5"
                echo "xen_caps : xen-3.0-x86_64 hvm-3.0-x86_64"
                echo "total_memory : 4096"
                echo "free_memory : 100"
                ;;
            list)
                [ -e hang-list ] && exec sleep 1000
                echo "Name ID Mem VCPUs State Time(s) UUID Reason-Code Security Label"
                echo "Domain-0 0 1024 2 r----- 39.6 00000000-0000-0000-0000-000000000000 - -"
                for file in domains/*; do
                    [ -e "$file" ] || continue
                    read -r uuid state reason < "$file" || continue
                    [ -e restarts ] && { state=---s--; reason=1; }
                    echo "some name ${file#domains/} 128 1 $state 1.2 $uuid $reason -"
                done
                ;;
            create)
                for configuration; do :; done
                uuid=$(sed -n 's/^uuid = "\(.*\)"$/\1/p' "$configuration")
                if [ -e refuse-pv ] && ! grep -q '^type = "pvh"$' "$configuration"; then
                    echo "xc: error: panic: xc_dom_core.c:691: xc_dom_find_loader: no loader found: Invalid kernel" >&2
                    exit 3
                fi
                [ -e refuse-create ] && { echo "libxl: error: not now" >&2; exit 3; }
                [ -e no-memory ] && { echo "libxl: error: something -3" >&2; exit 3; }
                number=1
                while [ -e "domains/$number" ] || [ -e "domains/.$number" ]; do number=$((number + 1)); done
                # Never seen half written.
                if [ -e hang-create ]; then
                    echo "$uuid --p--- -" > domains/.new && mv domains/.new "domains/$number"
                    exec sleep 1000
                fi
                state=-b----
                [ "$2" = -p ] && state=--p---
                echo "$uuid $state -" > domains/.new && mv domains/.new "domains/$number"
                echo "create${2#-q}" >> creations
                ;;
            unpause)
                [ -e refuse-unpause ] && { echo "libxl: error: cannot unpause it" >&2; exit 1; }
                read -r uuid state reason < "domains/$2"
                echo "$uuid -b---- -" > domains/.new && mv domains/.new "domains/$2"
                ;;
            destroy)
                [ -e refuse-destroy ] && { echo "libxl: error: cannot destroy it" >&2; exit 1; }
                rm -f "domains/$2"
                : > "domains/.$2"
                ;;
            shutdown | reboot) ;;
            *) echo "usage: $1?" >&2; exit 2 ;;
            esac
            """# + "\n"
    }

    @Test func `a guest starts, is adopted, and stops`() throws {
        try FakeXen.with { xen in
            #expect(try xen.driver.probe().boots.contains(.kernel))
            let handle = try xen.driver.start(xen.definition)
            #expect(try xen.driver.status(handle).machine == "xen-pv")
            #expect(try Array(xen.domains.values) == ["-b----"])
            #expect(throws: HypervisorError.self) { try xen.driver.start(xen.definition) }
            try xen.restart()
            #expect(try xen.driver.adopt(handle)?.machine == "xen-pv")
            #expect(try xen.driver.stop(handle, graceMilliseconds: 0).cause == .killed)
            #expect(try xen.domains.isEmpty)
            try xen.driver.forget(handle)
        }
    }

    @Test func `a creation that hangs is ended, and what it left goes as soon as the host lets it`() throws {
        try FakeXen.with((60_000, 3_000)) { xen in
            try xen.set("hang-create")
            let error = failure { _ = try xen.driver.start(xen.definition) }
            #expect(error?.code == .timedOut)
            #expect(error?.message.contains("create did not end within 3 s and was killed") == true)
            // Repeated as the node controller does, since the half-made domain's end has a limit, too.
            #expect(
                eventually {
                    (try? xen.driver.find(id: "i-1", directory: xen.directory + "/i-1")) == .some(nil)
                        && (try? xen.domains.isEmpty) == true
                })
            try xen.set("hang-create", false)
            let handle = try xen.driver.start(xen.definition)
            _ = try xen.driver.stop(handle, graceMilliseconds: 0)
        }
    }

    @Test func `what is left of a failed start is known after a restart, too`() throws {
        try FakeXen.with((2_000, 2_000)) { xen in
            // Before, since looking has a short limit here, and the machine may be slow.
            while failure({ _ = try xen.driver.probe() }) != nil {}
            try xen.set("hang-create")
            try xen.set("hang-list")
            #expect(failure { _ = try xen.driver.start(xen.definition) }?.code == .timedOut)
            #expect(try xen.domains.count == 1, "nobody could remove it")
            try xen.restart()
            try xen.set("hang-list", false)
            #expect(
                eventually {
                    (try? xen.driver.find(id: "i-1", directory: xen.directory + "/i-1")) == .some(nil)
                        && (try? xen.domains.isEmpty) == true
                })
        }
    }

    @Test func `a restart whose creation hangs is tried again, and leaves no domain behind`() throws {
        try FakeXen.with((60_000, 3_000)) { xen in
            let handle = try xen.driver.start(xen.definition)
            try xen.set("hang-create")
            try xen.driver.reboot(handle, graceMilliseconds: 0)
            // Once it has begun, it fails.
            #expect(try eventually { try xen.domains.values.contains("--p---") })
            try xen.set("hang-create", false)
            #expect(eventually { xen.events.resets(of: handle) == 1 })
            #expect(try xen.driver.status(handle).state == .running)
            #expect(try Array(xen.domains.values) == ["-b----"])
            (xen.driver.restartTries, xen.driver.restartPause) = (2, 100)
            try xen.set("hang-create")
            try xen.driver.reboot(handle, graceMilliseconds: 0)
            #expect(eventually { xen.events.end(of: handle) != nil })
            #expect(xen.events.end(of: handle)?.message.contains("could not be started again") == true)
            #expect(try xen.domains.isEmpty)
        }
    }

    @Test func `a restart that somebody was killed at is gone on with`() throws {
        for isHalfMade in [false, true] {
            try FakeXen.with { xen in
                let handle = try xen.driver.start(xen.definition)
                // As it leaves things between the destruction and the end of the creation.
                xen.driver.detach()
                let mark = try xen.markRestart()
                if isHalfMade { try xen.hold() } else { try xen.destroyAll() }
                try xen.restart()
                // Also by one who has no handle, who must not destroy what is half made.
                #expect(try xen.driver.find(id: "i-1", directory: xen.definition.directory) == handle)
                #expect(try xen.domains.count == (isHalfMade ? 1 : 0))
                #expect(try xen.driver.adopt(handle)?.state == .running)
                #expect(eventually { xen.events.resets(of: handle) == 1 })
                #expect(try Array(xen.domains.values) == ["-b----"])
                #expect(!FileSystem.exists(mark))
            }
        }
    }

    @Test func `a restart that was done already is not done again`() throws {
        try FakeXen.with { xen in
            let handle = try xen.driver.start(xen.definition)
            xen.driver.detach()
            let mark = try xen.markRestart()
            try xen.restart()
            #expect(try xen.driver.adopt(handle)?.state == .running)
            #expect(!FileSystem.exists(mark))
            try xen.destroyAll()
            #expect(eventually { xen.events.end(of: handle) != nil })
            #expect(xen.events.resets(of: handle) == 0)
        }
    }

    @Test func `the mark of another domain or of another boot means nothing`() throws {
        try FakeXen.with { xen in
            let handle = try xen.driver.start(xen.definition)
            xen.driver.detach()
            let mark = try xen.markRestart()
            let text = try FileSystem.readText(mark, limit: 200)
            try FileSystem.write(mark, text: String(text.reversed()))
            try xen.destroyAll()
            try xen.restart()
            #expect(try xen.driver.find(id: "i-1", directory: xen.definition.directory) == nil)
            #expect(try xen.driver.adopt(handle)?.state != .running)
        }
    }

    @Test func `a reboot that is refused does not undo a restart that is under way`() throws {
        try FakeXen.with((2_000, 60_000)) { xen in
            while failure({ _ = try xen.driver.probe() }) != nil {}
            var handle: GuestHandle?
            while handle == nil { handle = try? xen.driver.start(xen.definition) }
            let guest = try #require(handle)
            try xen.set("refuse-create")
            try xen.driver.reboot(guest, graceMilliseconds: 0)
            #expect(try eventually { try xen.domains.isEmpty })
            // It waits for its next try; whoever asks now gets what is on its way.
            try xen.set("hang-list")
            _ = failure { try xen.driver.reboot(guest, graceMilliseconds: 60_000) }
            try xen.set("refuse-create", false)
            try xen.set("hang-list", false)
            #expect(eventually { xen.events.resets(of: guest) >= 1 })
            #expect(xen.events.end(of: guest) == nil)
        }
    }

    @Test func `what is left of a dead domain does not hide the one in its place`() throws {
        try FakeXen.with { xen in
            let handle = try xen.driver.start(xen.definition)
            try xen.addDyingTwins()
            try xen.driver.reboot(handle, graceMilliseconds: 0)
            #expect(eventually { xen.events.resets(of: handle) == 1 })
            Thread.sleep(1_500)
            #expect(xen.events.end(of: handle) == nil)
            #expect(try xen.driver.stop(handle, graceMilliseconds: 0).cause == .killed)
            #expect(try Set(xen.domains.values) == ["-----d"])
        }
    }

    @Test func `a guest is not over while Xen does not let its domain go`() throws {
        try FakeXen.with { xen in
            _ = try xen.driver.probe()
            let handle = try xen.driver.start(xen.definition)
            try xen.set("refuse-destroy")
            let refusal = failure { _ = try xen.driver.stop(handle, graceMilliseconds: 0) }
            #expect(refusal?.message.contains("the domain is there still") == true)
            #expect(try xen.driver.status(handle).state == .running)
            try xen.set("refuse-destroy", false)
            #expect(try xen.driver.stop(handle, graceMilliseconds: 0).cause == .killed)
            #expect(try xen.domains.isEmpty)
        }
    }

    @Test func `a reboot that was refused does not come later`() throws {
        try FakeXen.with((2_000, 60_000)) { xen in
            // Before, since looking has a short limit here, and the machine may be slow.
            while failure({ _ = try xen.driver.probe() }) != nil {}
            var started: GuestHandle?
            while started == nil {
                do throws(HypervisorError) {
                    started = try xen.driver.start(xen.definition)
                } catch {
                    started = try? xen.driver.find(id: "i-1", directory: xen.directory + "/i-1")
                }
            }
            let handle = try #require(started)
            #expect(eventually { (try? xen.driver.adopt(handle)) != nil })
            try xen.set("hang-list")
            #expect(failure { try xen.driver.reboot(handle, graceMilliseconds: 60_000) }?.code == .timedOut)
            #expect(try xen.driver.guest(handle).lock.withLock { try xen.driver.guest(handle).intent == .none })
            try xen.set("hang-list", false)
        }
    }

    @Test func `a host whose tools hang or fail says so, and that it is over`() throws {
        try FakeXen.with((2_000, 60_000)) { xen in
            try xen.set("hang-list")
            let hanging = failure { try xen.driver.checkHealth() }
            #expect(hanging?.code == .timedOut)
            #expect(hanging?.message.contains("restart the host's Xen services") == true)
            try xen.set("hang-list", false)
            try xen.set("no-xenstore")
            // A script that is slow to start hangs as well.
            #expect(
                eventually {
                    let failed = failure { try xen.driver.checkHealth() }
                    return failed?.code == .unavailable && failed?.message.contains("xenstored") == true
                })
            try xen.set("no-xenstore", false)
            #expect(eventually { failure { try xen.driver.checkHealth() } == nil })
        }
    }

    @Test func `who wants the list at the same time shares one that was begun afterwards`() throws {
        let listing = XenListing()
        let asked = Counter()
        let arrived = Counter()
        let threads = try (0..<20).map { _ in
            try Thread.start(name: "asks") {
                let before = asked.value
                arrived.increase()
                let list =
                    (try? listing.domains { () throws(HypervisorError) -> [XenDomain] in
                        let number = asked.increase()
                        while arrived.value < 20 { Thread.sleep(10) }
                        return [XenDomain(id: number, name: "", uuid: "", state: .alive, memoryMiB: 0)]
                    }) ?? []
                // Of a list that was begun before the call, nobody gets anything.
                if list.first.map({ domain in domain.id > before }) != true { asked.fail() }
            }
        }
        for thread in threads { _ = thread.join() }
        #expect(!asked.hasFailed)
        #expect(asked.value < 20)
    }

    @Test func `tools that are gone are no empty host`() throws {
        try FakeXen.with { xen in
            _ = try xen.driver.probe()
            try FileSystem.rename(xen.directory + "/xl", to: xen.directory + "/away")
            let error = failure { _ = try xen.driver.start(xen.definition) }
            #expect(error?.code == .notInstalled)
            #expect(error?.message.contains("install Xen's tools again") == true)
            #expect(failure { try xen.driver.checkHealth() }?.code == .notInstalled)
        }
    }

    @Test func `a kernel that is not paravirtual gets a machine with virtualization extensions`() throws {
        try FakeXen.with { xen in
            try xen.set("refuse-pv")
            let handle = try xen.driver.start(xen.definition)
            #expect(try xen.driver.status(handle).machine == "xen-pvh")
            #expect(try xen.domains.count == 1)
            _ = try xen.driver.stop(handle, graceMilliseconds: 0)
        }
    }

    @Test func `a guest with firmware is created paused and let run, or goes`() throws {
        try FakeXen.with { xen in
            var definition = xen.definition
            definition.kernel = nil
            try xen.set("refuse-unpause")
            #expect(failure { _ = try xen.driver.start(definition) }?.message.contains("cannot unpause it") == true)
            #expect(try xen.domains.isEmpty)
            try xen.set("refuse-unpause", false)
            let handle = try xen.driver.start(definition)
            #expect(try xen.driver.status(handle).machine == "xen-hvm")
            #expect(try Array(xen.domains.values) == ["-b----"])
            try xen.set("refuse-unpause")
            xen.driver.restartPause = 100
            try xen.driver.reboot(handle, graceMilliseconds: 0)
            #expect(try eventually { try xen.domains.values.contains("--p---") })
            try xen.set("refuse-unpause", false)
            #expect(eventually { xen.events.resets(of: handle) == 1 })
            #expect(try Array(xen.domains.values) == ["-b----"])
            let creations = try FileSystem.readText(xen.directory + "/creations", limit: 1000)
            #expect(creations.split(separator: "\n").allSatisfy { line in line == "create-p" })
            _ = try xen.driver.stop(handle, graceMilliseconds: 0)
        }
    }

    @Test func `want of memory is said with how much there is, whatever the toolstack's words`() throws {
        try FakeXen.with { xen in
            try xen.set("no-memory")
            let error = failure { _ = try xen.driver.start(xen.definition) }
            #expect(error?.code == .insufficientResources)
            #expect(error?.message.contains("needs 256 MiB of memory, and Xen has 100 MiB free") == true)
            #expect(!FileSystem.exists(xen.directory + "/i-1/xen.uuid"), "nothing is left to look for")
        }
    }

    @Test func `a guest that restarts itself for ever is ended with a reason`() throws {
        try FakeXen.with { xen in
            let handle = try xen.driver.start(xen.definition)
            try xen.set("restarts")
            #expect(eventually { xen.events.end(of: handle) != nil })
            let end = xen.events.end(of: handle)
            #expect(end?.cause == .restartedTooOften)
            #expect(end?.message.contains("console output") == true)
            #expect(try xen.domains.isEmpty)
            let creations = try FileSystem.readText(xen.directory + "/creations", limit: 1000)
            #expect(creations.split(separator: "\n").count == 1 + RestartLimit.most)
        }
    }
}

/// How often something was done, by several threads.
private final class Counter: @unchecked Sendable {
    // `lock` guards the rest.
    private let lock = Lock()
    private var count = 0
    private var failed = false

    var value: Int { lock.withLock { count } }
    var hasFailed: Bool { lock.withLock { failed } }

    @discardableResult func increase() -> Int {
        lock.withLock {
            count += 1
            return count
        }
    }

    func fail() { lock.withLock { failed = true } }
}
