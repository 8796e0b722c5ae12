/// What changed since which revision, for the long poll. A pure value: it holds ids, not reports.
///
/// Each note takes the next revision. Only the latest note of an id counts, so the log never holds more entries than
/// there are things; entries that were overtaken are dropped when they are half of it.
struct ChangeLog: Sendable {
    /// What a note is about.
    enum Subject: Hashable, Sendable {
        case instance(String)
        case node(String)
    }

    /// Names this life of the service: revisions of another life mean nothing here.
    let epoch: String
    /// Revision of the last note; 0 at the start.
    private(set) var revision: Int64 = 0
    private var latest: [Subject: Int64] = [:]
    private var log: [(revision: Int64, subject: Subject)] = []

    init(epoch: String) { self.epoch = epoch }

    mutating func noteInstance(_ id: String) { note(.instance(id)) }
    mutating func noteNode(_ name: String) { note(.node(name)) }

    private mutating func note(_ subject: Subject) {
        revision += 1
        latest[subject] = revision
        log.append((revision, subject))
        if log.count > 1024 && log.count > 2 * latest.count {
            log.removeAll { latest[$0.subject] != $0.revision }
        }
    }

    /// Everything noted after `since`, oldest first, each subject once.
    func subjects(since: Int64) -> [Subject] {
        var low = 0
        var high = log.count
        while low < high {
            let middle = (low + high) / 2
            if log[middle].revision > since { high = middle } else { low = middle + 1 }
        }
        return log[low...].filter { latest[$0.subject] == $0.revision }.map { $0.subject }
    }
}
