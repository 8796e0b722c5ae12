// Records in files, for nodes with real guests.
//
//   STATE/lock                       held by the node controller that uses the directory
//   STATE/network                    the network document in force
//   STATE/instances/<id>/record      the record; the directory is the driver's and the disks' as well
//   STATE/instances/<id>/credentials what the guest finds of its instance profile
//
// A record is replaced as a whole and forced to disk before the call returns. A directory without a readable record
// belongs to nobody: it is the rest of an acceptance that was never answered, or of a removal.

public import Contracts
public import Posix
import XML

/// The records of one node in a state directory.
public final class FileRecords: InstanceRecords, @unchecked Sendable {
    private let directory: String
    private let held: FileLock

    /// Takes a state directory, which is made if it is not there.
    ///
    /// - Throws: if another node controller holds it.
    public init(directory: String) throws(RecordError) {
        self.directory = directory
        let lockPath = FileSystem.join(directory, "lock")
        do throws(PosixError) {
            try FileSystem.makeDirectory(directory, permissions: 0o700)
            try FileSystem.makeDirectory(FileSystem.join(directory, "instances"), permissions: 0o700)
            guard let lock = try FileLock.acquire(lockPath) else {
                throw PosixError(errno: PosixError.tryAgain, operation: "lock", detail: lockPath)
            }
            held = lock
        } catch {
            if error.isBusy {
                throw RecordError(
                    "another node controller uses \(directory); stop it, or give this one a STATE_DIR of its own")
            }
            throw RecordError(error, doing: "opening the state directory")
        }
    }

    /// Lets another node controller have the directory.
    public func close() {
        do throws(PosixError) {
            try held.release()
        } catch {}  // the end of the process releases it as well
    }

    // MARK: InstanceRecords

    /// See `InstanceRecords`.
    public func directory(of instanceId: String) -> String? {
        FileSystem.join(FileSystem.join(directory, "instances"), instanceId)
    }

    private func path(_ instanceId: String) -> String {
        FileSystem.join(FileSystem.join(directory, "instances"), instanceId)
    }

    private func recordPath(_ instanceId: String) -> String { FileSystem.join(path(instanceId), "record") }
    private func credentialsPath(_ instanceId: String) -> String {
        FileSystem.join(path(instanceId), "credentials")
    }
    private var networkPath: String { FileSystem.join(directory, "network") }

    /// See `InstanceRecords`.
    public func load() throws(RecordError) -> LoadedRecords {
        var loaded = LoadedRecords()
        let names: [String]
        do throws(PosixError) {
            names = try FileSystem.list(FileSystem.join(directory, "instances"))
        } catch {
            throw RecordError(error, doing: "reading the state directory")
        }
        for name in names {
            guard SpecValidation.isInstanceId(name), FileSystem.exists(recordPath(name)) else { continue }
            do throws(RecordError) {
                let record = try RecordCodec.decodeRecord(try read(recordPath(name)))
                guard record.spec.instanceId == name else {
                    throw RecordError("it is the record of \(record.spec.instanceId)")
                }
                loaded.records.append(record)
            } catch {
                loaded.problems.append("\(recordPath(name)) is not readable and left as it is: \(error)")
                continue
            }
            guard FileSystem.exists(credentialsPath(name)) else { continue }
            do throws(RecordError) {
                loaded.credentials[name] = try RecordCodec.decodeCredentials(try read(credentialsPath(name)))
            } catch {
                loaded.problems.append(
                    "\(credentialsPath(name)) is not readable, the cloud controller will send others: \(error)")
            }
        }
        if FileSystem.exists(networkPath) {
            do throws(RecordError) {
                loaded.network = try RecordCodec.decodeNetwork(try read(networkPath))
            } catch {
                loaded.problems.append("\(networkPath) is not readable, the cluster controller will send it: \(error)")
            }
        }
        return loaded
    }

    private func read(_ path: String) throws(RecordError) -> [UInt8] {
        do throws(PosixError) {
            return try FileSystem.read(path)
        } catch {
            throw RecordError(error, doing: "reading a record")
        }
    }

    /// See `InstanceRecords`.
    public func save(_ record: InstanceRecord) throws(RecordError) {
        let id = record.spec.instanceId
        do throws(PosixError) {
            if !FileSystem.exists(path(id)) {
                try FileSystem.makeDirectory(path(id), permissions: 0o700)
                try FileSystem.synchronizeDirectory(FileSystem.join(directory, "instances"))
            }
            // User data and keys of users are in it.
            try FileSystem.write(recordPath(id), RecordCodec.encode(record), permissions: 0o600)
        } catch {
            throw RecordError(error, doing: "writing the record of \(id)")
        }
    }

    /// See `InstanceRecords`.
    public func save(_ network: Contract.NetworkDocument) throws(RecordError) {
        do throws(PosixError) {
            try FileSystem.write(networkPath, RecordCodec.encode(network), permissions: 0o600)
        } catch {
            throw RecordError(error, doing: "writing the network document")
        }
    }

    /// See `InstanceRecords`.
    public func save(_ credentials: Contract.InstanceCredentials) throws(RecordError) {
        let id = credentials.instanceId
        do throws(PosixError) {
            try FileSystem.write(credentialsPath(id), RecordCodec.encode(credentials), permissions: 0o600)
        } catch {
            throw RecordError(error, doing: "writing the credentials of \(id)")
        }
    }

    /// See `InstanceRecords`.
    public func remove(_ instanceId: String) throws(RecordError) {
        do throws(PosixError) {
            // The record first: what is left of an interrupted removal is then an orphan.
            try FileSystem.remove(recordPath(instanceId), ifPresent: true)
            try FileSystem.removeTree(path(instanceId))
        } catch {
            throw RecordError(error, doing: "removing the record of \(instanceId)")
        }
    }

    /// See `InstanceRecords`.
    public func removeDisks(_ instanceId: String) throws(PosixError) {
        guard FileSystem.isDirectory(path(instanceId)) else { return }
        for name in try FileSystem.list(path(instanceId)) where name != "record" && name != "console.last" {
            try FileSystem.removeTree(FileSystem.join(path(instanceId), name))
        }
    }

    /// See `InstanceRecords`.
    public func removeOrphans(keeping records: [InstanceRecord], adopted: [String], report: (String) -> Void) {
        let instances = FileSystem.join(directory, "instances")
        do throws(PosixError) {
            for (process, id) in try OrphanProcesses.find(below: instances) where !adopted.contains(id) {
                report("ending process \(process.pid): it runs \(id), of which this node has no running guest")
                try process.signal(Signals.kill)
                if try !process.waitForEnd(timeout: 10_000) { report("process \(process.pid) did not end") }
            }
            for name in try FileSystem.list(instances) {
                let isRecorded = records.contains { $0.spec.instanceId == name }
                // A record that could not be read is for the administrator to look at.
                if isRecorded || FileSystem.exists(recordPath(name)) { continue }
                report("removing \(FileSystem.join(instances, name)): it has no record")
                try FileSystem.removeTree(FileSystem.join(instances, name))
            }
        } catch {
            report("orphans were left: \(error)")
        }
    }
}

/// Guests' processes that belong to a state directory.
enum OrphanProcesses {
    /// QEMU processes that have a path below `directory` in their arguments, with the instance that it names.
    static func find(below directory: String) throws(PosixError) -> [(process: ProcessIdentity, instance: String)] {
        var found: [(process: ProcessIdentity, instance: String)] = []
        for name in try FileSystem.list("/proc") {
            guard let pid = Int32(name), let id = instance(of: pid, below: directory) else { continue }
            if let process = try ProcessIdentity.of(pid) { found.append((process, id)) }
        }
        return found
    }

    private static func instance(of pid: Int32, below directory: String) -> String? {
        let bytes: [UInt8]
        do throws(PosixError) {
            bytes = try FileSystem.read("/proc/\(pid)/cmdline", limit: 1 << 20)
        } catch {
            // It ended while the list was read.
            return nil
        }
        return instance(commandLine: bytes, below: directory)
    }

    /// The id in the first path below `directory` of a QEMU's command line; nil for any other program.
    static func instance(commandLine: [UInt8], below directory: String) -> String? {
        let program = commandLine.prefix { $0 != 0 }
        let base = program.lastIndex(of: UInt8(ascii: "/")).map { program[($0 + 1)...] } ?? program
        // Red Hat's has a name of its own.
        guard base.starts(with: Array("qemu-system-".utf8)) || base.elementsEqual("qemu-kvm".utf8) else { return nil }
        let prefix = Array((directory + "/").utf8)
        var index = 0
        while index + prefix.count <= commandLine.count {
            guard commandLine[index] == prefix[0], commandLine[index...].starts(with: prefix) else {
                index += 1
                continue
            }
            let name = commandLine[(index + prefix.count)...].prefix { byte in
                byte != UInt8(ascii: "/") && byte != 0 && byte != UInt8(ascii: ",")
            }
            let id = String(decoding: name, as: UTF8.self)
            if SpecValidation.isInstanceId(id) { return id }
            index += prefix.count
        }
        return nil
    }
}
