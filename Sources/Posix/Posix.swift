// Posix: files, sockets, processes, threads, clocks and the host, as thin Swift values and classes over `CPosix`.
//
// Lives here: what the kernel and libc offer, with lengths, time limits and errors made explicit.
// Does not: protocols (BlockingHTTP), cryptography (TLS), anything that knows what a cloud is.
// Fails with `PosixError`, which names the operation, the path or address, and the kernel's reason.
//
// The module compiles as ordinary Swift and as Embedded Swift for i386, hence typed throws, no Foundation,
// no async, and 64-bit integers for sizes and times.
import CPosix

/// A span of time in thousandths of a second. As a time limit, `nil` means no limit and 0 means do not wait.
public typealias Milliseconds = Int64

/// The C shim's form of a time limit, where a negative number means none.
func shimTimeout(_ timeout: Milliseconds?) -> Int64 {
    guard let timeout else { return -1 }
    // A year is for ever, and keeps the sum with the clock in range.
    return min(max(timeout, 0), 31_536_000_000)
}

/// Throws for a negative errno, otherwise returns the result.
@discardableResult
func check(_ result: Int32, _ operation: String, _ detail: String = "") throws(PosixError) -> Int32 {
    if result < 0 { throw PosixError(errno: -result, operation: operation, detail: detail) }
    return result
}

/// Throws for a negative errno, otherwise returns the result.
@discardableResult
func check(_ result: Int64, _ operation: String, _ detail: String = "") throws(PosixError) -> Int64 {
    if result < 0 { throw PosixError(errno: Int32(-result), operation: operation, detail: detail) }
    return result
}

/// The text that a C function leaves in a buffer of `capacity` bytes; it returns the length or a negative errno.
func text(
    capacity: Int, _ operation: String, _ detail: String = "",
    _ fill: (UnsafeMutablePointer<CChar>?, Int) -> Int64
) throws(PosixError) -> String {
    var buffer = [CChar](repeating: 0, count: capacity)
    let length = buffer.withUnsafeMutableBufferPointer { fill($0.baseAddress, $0.count) }
    try check(length, operation, detail)
    return string(buffer, Int(length))
}

/// The first `length` bytes of a C buffer as text.
func string(_ buffer: [CChar], _ length: Int) -> String {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(length)
    for index in 0..<min(length, buffer.count) { bytes.append(UInt8(bitPattern: buffer[index])) }
    return String(decoding: bytes, as: UTF8.self)
}
