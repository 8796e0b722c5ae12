// wsdl2swift: makes Swift of WSDL 1.1 contracts (document/literal wrapped, SOAP 1.1) and the schemas they import.
//
//     wsdl2swift --output DIRECTORY FILE.wsdl…
//
// `SchemaReader` and `ServiceReader` read the files into the model, the `…Emitter`s print it. Only what the contracts
// use is understood; anything else (choices, attributes, extension, rpc style …) is an error that names the place,
// never something silently left out. The output is not laid out: Scripts/generate-contracts.sh runs swift format.
import Foundation
import XML

/// Why no Swift can be made of a contract.
struct GeneratorError: Error, CustomStringConvertible {
    let description: String

    init(_ file: String, _ message: String) { description = "\(file): \(message)" }
}

@main
enum App {
    static func main() {
        do {
            try run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            FileHandle.standardError.write(Data("wsdl2swift: \(error)\n".utf8))
            exit(1)
        }
    }

    private static func run(_ arguments: [String]) throws {
        var output: URL?
        var files: [URL] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--output" {
                output = rest.popFirst().map { URL(fileURLWithPath: $0, isDirectory: true) }
            } else {
                files.append(URL(fileURLWithPath: argument))
            }
        }
        guard let output, !files.isEmpty else {
            throw GeneratorError("usage", "wsdl2swift --output DIRECTORY FILE.wsdl…")
        }
        var model = Model()
        for file in files { try ServiceReader.read(file, into: &model) }
        try model.resolve()
        let sources = Emitter(model: model).sources()
        try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
        for name in try FileManager.default.contentsOfDirectory(atPath: output.path) where sources[name] == nil {
            guard name.hasSuffix(".swift") else { continue }
            try FileManager.default.removeItem(at: output.appendingPathComponent(name))
        }
        for (name, text) in sources {
            try Data(text.utf8).write(to: output.appendingPathComponent(name), options: .atomic)
        }
    }
}
