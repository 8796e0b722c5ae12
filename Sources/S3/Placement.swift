// Where the contents of buckets lie: calls of our own, for the cloud's administrators (`mallee walrus migrate`).
//
//   GET /?mallee-places   every bucket, its place, and what is yet to be moved there
//   PUT /?mallee-places   <Move><To>s3</To><Bucket>name</Bucket>…</Move>; without a Bucket: all

internal import Hummingbird
internal import ObjectStore
internal import Walrus
internal import XML

extension S3Call {
    static let placesParameter = "mallee-places"

    func getPlaces() async throws -> Response {
        let places = try await walrus.places(caller)
        return xml("Places", namespace: nil) { writer in
            for place in places {
                writer.element("Bucket") { writer in
                    writer.element("Name", place.bucket)
                    writer.element("Owner", place.owner)
                    writer.element("Place", place.state.place.rawValue)
                    writer.element("Contents", String(place.state.contents))
                    writer.element("Bytes", String(place.state.bytes))
                    if let problem = place.problem { writer.element("Problem", problem) }
                }
            }
        }
    }

    func putPlaces() async throws -> Response {
        let root = try parse(try await document(), root: "Move")
        guard let place = (root.child("To")?.trimmedText).flatMap(ContentPlace.init) else {
            throw S3Error.malformed("A Move has an element To, which is s3 or files.")
        }
        try await walrus.setPlace(caller, buckets: root.children("Bucket").map(\.trimmedText), to: place)
        return Response(status: .ok)
    }
}
