import Posix
import Testing

@Suite struct FileTests {
    let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    @Test func `a file written as a whole reads back and leaves no temporary beside it`() throws {
        let path = scratch("a")
        try FileSystem.write(path, text: "first", permissions: 0o640)
        try FileSystem.write(path, text: "second", permissions: 0o600)
        #expect(try FileSystem.readText(path) == "second")
        #expect(try FileSystem.status(path).permissions == 0o600)
        #expect(try FileSystem.list(scratch.path) == ["a"])
    }

    @Test func `a failed write leaves the old file and no temporary`() throws {
        let path = scratch("directory")
        try FileSystem.makeDirectory(path + "/inside")
        #expect(throws: PosixError.self) { try FileSystem.write(path, text: "x") }
        #expect(try FileSystem.list(scratch.path) == ["directory"])
    }

    @Test func `reading more than the limit is an error that names the file`() throws {
        let path = scratch("big")
        try FileSystem.write(path, [UInt8](repeating: 1, count: 10_001))
        let error = #expect(throws: PosixError.self) { try FileSystem.read(path, limit: 10_000) }
        #expect(error?.errno == PosixError.tooLarge)
        #expect(error?.description.hasPrefix("cannot read all of \(path): ") == true)
        #expect(try FileSystem.read(path, limit: 10_001).count == 10_001)
    }

    @Test func `files of proc are read whole although their size is 0`() throws {
        #expect(try FileSystem.readText("/proc/self/status").hasPrefix("Name:"))
        #expect(try FileSystem.status("/proc/self/status").size == 0)
    }

    @Test func `an absent file is told from a forbidden or odd one`() throws {
        let error = #expect(throws: PosixError.self) { try FileSystem.read(scratch("none")) }
        #expect(error?.isNotFound == true)
        #expect(error?.reason == "No such file or directory")
        #expect(try FileSystem.statusIfPresent(scratch("none")) == nil)
        try FileSystem.write(scratch("file"), text: "")
        #expect(try FileSystem.statusIfPresent(scratch("file/below")) == nil)
    }

    @Test func `appending, seeking, reading in place and truncating work past 4 GiB`() throws {
        let path = scratch("sparse")
        try FileSystem.append(path, Array("head".utf8))
        try FileSystem.append(path, Array("er".utf8))
        let file = try File(path, [.read, .write])
        let far: Int64 = 5 << 30
        try file.write(Array("far".utf8), at: far)
        #expect(try file.read(100, at: far) == Array("far".utf8))
        #expect(try file.read(6) == Array("header".utf8))
        #expect(try file.seek(-3, from: .end) == far)
        #expect(try file.read(3) == Array("far".utf8))
        #expect(try file.read(1).isEmpty)
        let status = try file.status()
        #expect(status.size == far + 3)
        #expect(status.allocated < 1 << 20)
        #expect(try file.nextData(from: 4096 * 16)?.lowerBound == far)
        try file.truncate(to: 2)
        #expect(try file.nextData(from: 2) == nil)
        #expect(try FileSystem.readText(path) == "he")
    }

    @Test func `directories are made with parents and removed with all that is in them, but not what links point to`()
        throws
    {
        try FileSystem.makeDirectory(scratch("a/b/c"), permissions: 0o700)
        try FileSystem.makeDirectory(scratch("a/b/c"))
        #expect(try FileSystem.status(scratch("a/b")).permissions == 0o700)
        try FileSystem.makeDirectory(scratch("outside"))
        try FileSystem.write(scratch("outside/kept"), text: "kept")
        try FileSystem.symbolicLink(to: scratch("outside"), at: scratch("a/b/link"))
        try FileSystem.symbolicLink(to: "nowhere", at: scratch("a/broken"))
        #expect(try FileSystem.readLink(scratch("a/broken")) == "nowhere")
        #expect(try FileSystem.realPath(scratch("a/b/link/kept")) == FileSystem.realPath(scratch("outside")) + "/kept")
        try FileSystem.removeTree(scratch("a"))
        try FileSystem.removeTree(scratch("a"))
        #expect(!FileSystem.exists(scratch("a")))
        #expect(try FileSystem.readText(scratch("outside/kept")) == "kept")
        try FileSystem.write(scratch("file"), text: "")
        #expect(throws: PosixError.self) { try FileSystem.makeDirectory(scratch("file")) }
        #expect(throws: PosixError.self) { try FileSystem.makeDirectory(scratch("file/below")) }
    }

    @Test func `times can be set and read to the millisecond, also after 2038`() throws {
        let path = scratch("t")
        try FileSystem.write(path, text: "")
        try FileSystem.touch(path, at: 4_102_444_800_123)
        #expect(try FileSystem.status(path).modified == 4_102_444_800_123)
        try FileSystem.touch(path)
        #expect(abs(try FileSystem.status(path).modified - Clock.now) < 60_000)
    }

    @Test func `hard links are one file and rename replaces`() throws {
        try FileSystem.write(scratch("a"), text: "a")
        try FileSystem.write(scratch("b"), text: "b")
        try FileSystem.link(scratch("a"), as: scratch("c"))
        #expect(try FileSystem.status(scratch("a")).links == 2)
        #expect(try FileSystem.status(scratch("a")).inode == FileSystem.status(scratch("c")).inode)
        try FileSystem.rename(scratch("a"), to: scratch("b"))
        #expect(try FileSystem.readText(scratch("b")) == "a")
        try FileSystem.setPermissions(scratch("b"), 0o400)
        #expect(try FileSystem.status(scratch("c")).permissions == 0o400)
    }

    @Test func `a lock excludes a second holder until it is released`() throws {
        let first = try #require(try FileLock.acquire(scratch("lock")))
        #expect(try FileLock.acquire(scratch("lock")) == nil)
        try first.release()
        let second = try FileLock.acquire(scratch("lock"))
        #expect(second != nil)
        try second?.release()
    }

    @Test func `a lock is not inherited by a child that outlives its holder`() throws {
        let lock = try #require(try FileLock.acquire(scratch("lock")))
        let child = try Process.start("sleep", ["60"])
        try lock.release()
        // Between fork and exec a child has every descriptor, also the children of tests that run beside this one.
        var again = try FileLock.acquire(scratch("lock"))
        for _ in 0..<500 where again == nil {
            Thread.sleep(10)
            again = try FileLock.acquire(scratch("lock"))
        }
        #expect(again != nil)
        #expect(try child.stop(grace: 5000) == .signaled(Signals.terminate))
        try again?.release()
    }

    @Test func `a reflink shares the content or leaves nothing behind`() throws {
        try FileSystem.write(scratch("image"), [UInt8](repeating: 7, count: 8192))
        if try FileSystem.reflink(scratch("image"), to: scratch("copy")) {
            #expect(try FileSystem.read(scratch("copy")) == FileSystem.read(scratch("image")))
        } else {
            #expect(!FileSystem.exists(scratch("copy")))
        }
        try FileSystem.write(scratch("there"), text: "x")
        #expect(throws: PosixError.self) { try FileSystem.reflink(scratch("image"), to: scratch("there")) }
        #expect(try FileSystem.readText(scratch("there")) == "x")
    }

    @Test func `a file system has room and a program is found as a shell does`() throws {
        let space = try FileSystem.space(scratch.path)
        #expect(space.total > 0 && space.free <= space.total && space.available <= space.free)
        #expect(FileSystem.findExecutable("sh")?.hasSuffix("/sh") == true)
        #expect(FileSystem.findExecutable("no-such-program-here") == nil)
        #expect(FileSystem.findExecutable("/etc/passwd") == nil)
        #expect(FileSystem.findExecutable("/bin") == nil)
    }

    @Test(arguments: [
        ("/a/b", "/a", "b"), ("/a", "/", "a"), ("a", ".", "a"), ("/a/b/", "/a", "b"), ("/", "/", "/"),
        ("a//b", "a", "b"),
    ])
    func `paths are taken apart`(path: String, parent: String, name: String) {
        #expect(FileSystem.parent(path) == parent)
        #expect(FileSystem.name(path) == name)
    }
}
