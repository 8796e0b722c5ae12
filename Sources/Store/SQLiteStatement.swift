import GRDB
import GRDBSQLite

/// A cached prepared statement, driven through SQLite's C interface.
///
/// GRDB opens connections, serialises access and caches the statements; its arguments and rows box every value, which
/// costs more than the statement itself on the path of a small commit.
struct SQLiteStatement: ~Copyable {
    private let statement: Statement
    private let handle: OpaquePointer

    /// `sql` must be a literal: statements are cached by it for the life of the connection.
    init(_ db: Database, _ sql: String) throws {
        statement = try db.cachedStatement(sql: sql)
        handle = statement.sqliteStatement
        // Statements are left reset; this is for one whose last use threw.
        sqlite3_reset(handle)
    }

    deinit {
        // Ends the statement's hold on its snapshot, and drops the copied values.
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
    }

    /// Tells SQLite to copy what it is given (SQLITE_TRANSIENT, a cast that is not imported).
    private static var copied: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

    /// Parameters are numbered from 1.
    borrowing func bind(_ index: Int32, _ value: Int64) {
        sqlite3_bind_int64(handle, index, value)
    }

    borrowing func bind(_ index: Int32, _ value: String) throws {
        var value = value
        let code = value.withUTF8 { utf8 in
            utf8.withMemoryRebound(to: CChar.self) {
                sqlite3_bind_text(handle, index, $0.baseAddress, Int32($0.count), Self.copied)
            }
        }
        try check(code)
    }

    borrowing func bind(_ index: Int32, _ value: [UInt8]) throws {
        // A null pointer would bind NULL, so an empty value takes another way.
        let code =
            value.isEmpty
            ? sqlite3_bind_zeroblob(handle, index, 0)
            : sqlite3_bind_blob(handle, index, value, Int32(value.count), Self.copied)
        try check(code)
    }

    /// True when there is a row to read, false at the end.
    borrowing func step() throws -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw error(code)
        }
    }

    /// Makes it ready for other parameters.
    borrowing func reset() {
        sqlite3_reset(handle)
    }

    /// Runs a statement that gives no rows.
    borrowing func run() throws {
        while try step() {}
    }

    /// Columns are numbered from 0.
    borrowing func int(_ column: Int32) -> Int64 {
        sqlite3_column_int64(handle, column)
    }

    borrowing func isNull(_ column: Int32) -> Bool {
        sqlite3_column_type(handle, column) == SQLITE_NULL
    }

    borrowing func text(_ column: Int32) -> String {
        withText(column) { String(decoding: $0, as: UTF8.self) }
    }

    /// The text without making a String of it; valid in the body only.
    borrowing func withText<R>(_ column: Int32, _ body: (UnsafeBufferPointer<UInt8>) -> R) -> R {
        // The order matters: asking for the text may convert it, which changes the length.
        let start = sqlite3_column_text(handle, column)
        return body(UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }

    borrowing func bytes(_ column: Int32) -> [UInt8] {
        let start = sqlite3_column_blob(handle, column)
        return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }

    private borrowing func check(_ code: Int32) throws {
        guard code == SQLITE_OK else { throw error(code) }
    }

    private borrowing func error(_ code: Int32) -> DatabaseError {
        DatabaseError(
            resultCode: ResultCode(rawValue: code),
            message: String(cString: sqlite3_errmsg(sqlite3_db_handle(handle))))
    }
}
