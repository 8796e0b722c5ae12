import CloudModel
import QueryProtocol
import XML

/// What a request says of how guests reach their metadata; nil for what it does not say.
struct MetadataWishes {
    let requiresTokens: Bool?
    let isDisabled: Bool?
    let hopLimit: Int?

    /// - Parameter prefix: what the parameters' names begin with.
    init(_ parameters: Parameters, below prefix: String = "") throws(CloudError) {
        requiresTokens = try Self.choice(parameters, prefix + "HttpTokens", ("required", "optional"))
        isDisabled = try Self.choice(parameters, prefix + "HttpEndpoint", ("disabled", "enabled"))
        hopLimit = try parameters.integer(prefix + "HttpPutResponseHopLimit")
        if let hopLimit, !(1...64).contains(hopLimit) {
            throw .invalidValue(
                parameter: parameters.name(prefix + "HttpPutResponseHopLimit"), value: String(hopLimit),
                reason: "Value (\(hopLimit)) for parameter HttpPutResponseHopLimit is invalid. "
                    + "Valid values: 1 to 64.")
        }
    }

    /// The options of a launch; nil for what is usual.
    var options: MetadataOptions? {
        let options = MetadataOptions(
            requiresTokens: requiresTokens ?? false, isDisabled: isDisabled ?? false, hopLimit: hopLimit ?? 1)
        return options == MetadataOptions() ? nil : options
    }

    /// Whether it is the first of two words; nil if it is not there.
    private static func choice(_ parameters: Parameters, _ name: String, _ words: (String, String))
        throws(CloudError) -> Bool?
    {
        guard let value = parameters.text(name) else { return nil }
        if value == words.0 { return true }
        if value == words.1 { return false }
        throw .invalidValue(
            parameter: parameters.name(name), value: Parameters.shortened(value),
            reason: "Value (\(Parameters.shortened(value))) for parameter \(name) is invalid. "
                + "Valid values: \(words.1), \(words.0).")
    }
}

extension Instances {
    /// ModifyInstanceMetadataOptions.
    static func modifyMetadata(_ call: Call, _ answer: inout XMLWriter) async throws(CloudError) {
        let parameters = call.parameters
        let id = try parameters.required("InstanceId")
        try parameters.refuse([
            UnofferedParameter("HttpProtocolIpv6", accepting: ["disabled"], "Leave it out."),
            UnofferedParameter("InstanceMetadataTags", accepting: ["disabled"], "Leave it out."),
        ])
        let wishes = try MetadataWishes(parameters)
        guard wishes.requiresTokens != nil || wishes.isDisabled != nil || wishes.hopLimit != nil else {
            throw .missingParameter("HttpTokens, HttpEndpoint or HttpPutResponseHopLimit")
        }
        try await call.backend.modifyInstance(
            id: id,
            [
                .metadata(
                    requiresTokens: wishes.requiresTokens, isDisabled: wishes.isDisabled, hopLimit: wishes.hopLimit)
            ], dryRun: try parameters.dryRun(), as: call.caller)
        let reservations = try await call.backend.describeInstances(DescribeRequest(ids: [id]), as: call.caller).items
        guard let instance = reservations.first?.instances.first else { throw .notFound(.instance, [id]) }
        answer.element("instanceId", instance.id.value)
        answer.open("instanceMetadataOptions")
        // The instance's node has it in a moment.
        answer.metadataOptions(of: instance, state: "pending")
        answer.close()
    }
}

extension XMLWriter {
    /// The elements of an instance's metadata options.
    mutating func metadataOptions(of instance: Instance, state: String) {
        let options = instance.options?.metadata
        raw("<state>" + state + "</state><httpTokens>")
        raw(options?.requiresTokens == true ? "required" : "optional")
        raw("</httpTokens><httpPutResponseHopLimit>" + String(options?.hopLimit ?? 1))
        raw("</httpPutResponseHopLimit><httpEndpoint>")
        raw(options?.isDisabled == true ? "disabled" : "enabled")
        raw(
            "</httpEndpoint><httpProtocolIpv6>disabled</httpProtocolIpv6>"
                + "<instanceMetadataTags>disabled</instanceMetadataTags>")
    }
}
