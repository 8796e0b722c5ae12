import Foundation
import GRDB

/// An index as the first version of the store wrote it.
enum FormerIndex {
    static func write(_ path: String) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.write { database in
            try database.execute(
                sql: """
                    CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
                    INSERT INTO grdb_migrations VALUES ('objects');
                    CREATE TABLE bucket (
                        id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
                        region TEXT NOT NULL, created INTEGER NOT NULL);
                    CREATE TABLE object (
                        bucket INTEGER NOT NULL, key BLOB NOT NULL, content INTEGER NOT NULL UNIQUE,
                        layout INTEGER NOT NULL, size INTEGER NOT NULL, modified INTEGER NOT NULL, etag TEXT NOT NULL,
                        sha256 TEXT, attributes TEXT NOT NULL, PRIMARY KEY (bucket, key)) WITHOUT ROWID;
                    CREATE TABLE inline (content INTEGER PRIMARY KEY, data BLOB NOT NULL);
                    CREATE TABLE piece (
                        content INTEGER NOT NULL, number INTEGER NOT NULL, file INTEGER NOT NULL UNIQUE,
                        size INTEGER NOT NULL, PRIMARY KEY (content, number)) WITHOUT ROWID;
                    CREATE TABLE upload (
                        id TEXT NOT NULL PRIMARY KEY, bucket INTEGER NOT NULL, key BLOB NOT NULL, owner TEXT NOT NULL,
                        initiated INTEGER NOT NULL, attributes TEXT NOT NULL);
                    CREATE INDEX uploadByKey ON upload (bucket, key, id);
                    CREATE TABLE part (
                        upload TEXT NOT NULL, number INTEGER NOT NULL, file INTEGER NOT NULL UNIQUE,
                        size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL, checksum TEXT,
                        PRIMARY KEY (upload, number)) WITHOUT ROWID;
                    INSERT INTO bucket VALUES (1, 'old', 'me', '', 1);
                    INSERT INTO object VALUES (
                        1, X'6B', 77, 0, 2, 1000, '49f68a5c8493ec2c0bf489821c21fc3b', NULL,
                        '{"headers":{"content-type":"text/plain"},"metadata":{}}');
                    INSERT INTO inline VALUES (77, X'6869');
                    """)
        }
        try queue.close()
    }
}
