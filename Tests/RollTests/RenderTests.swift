import Posix
import Roll
import Testing

@Suite struct RenderTests {
    private func profile(_ change: (Fixture) throws -> Void = { _ in }) throws -> RollProfile {
        let fixture = try Fixture()
        try change(fixture)
        return try RollProfile(directory: fixture.path("roll"))
    }

    private func bash(_ text: String) throws -> Posix.Command.Result {
        try Posix.Command.run("/bin/bash", ["-n"], input: Array(text.utf8))
    }

    @Test func theFrontendGetsItsPackagesFilesAndScripts() throws {
        let host = try HostProfile(
            profile(), root: "server", attributes: ["Kickstart_PrivateAddress": "10.1.1.1"], generation: .seven)
        #expect(host.nodes == ["demo-server"])
        #expect(host.packages == ["demo-base", "demo-server"])
        #expect(host.files.map(\.path) == ["/etc/demo/secret"] && host.files[0].permissions == "0400")
        #expect(host.files[0].text == "\nEVAL_1\n")
        #expect(host.evals.map(\.text) == ["echo secret"])
        #expect(host.postScripts[0].text.contains("[ -d /etc/demo ] && echo 10.1.1.1 2>&1"))
        #expect(host.warnings.isEmpty)
    }

    @Test func conditionsChooseNodesAndScripts() throws {
        let on = try HostProfile(profile(), root: "compute", attributes: ["demo": "true"], generation: .six)
        #expect(on.nodes == ["demo-client"] && on.postScripts.count == 1)
        #expect(on.files.map(\.text) == ["compute-0-0"])
        let off = try HostProfile(profile(), root: "vm-container", attributes: [:], generation: .six)
        #expect(off.nodes.isEmpty && off.packages.isEmpty)
        let frontend = try HostProfile(profile(), root: "server", attributes: ["demo": "no"], generation: .five)
        #expect(frontend.nodes.isEmpty)
    }

    @Test func evalsAreRunOnlyWhenAsked() throws {
        var ran: [String] = []
        let host = try HostProfile(profile(), root: "server", attributes: [:], generation: .seven) { shell, text in
            ran.append("\(shell): \(text)")
            return "<secret> & more\n"
        }
        #expect(ran == ["sh: echo secret"])
        #expect(host.files[0].text == "\n<secret> & more\n\n")
        #expect(host.warnings.count == 1 && host.warnings[0].contains("no attribute Kickstart_PrivateAddress"))
    }

    @Test func everyFormIsShellForEveryGeneration() throws {
        for generation in HostProfile.Generation.allCases {
            for root in ["server", "compute"] {
                let host = try HostProfile(profile(), root: root, attributes: ["demo": "1"], generation: generation)
                for text in [host.postText, host.script { "/distro/\($0)-1.0-1.noarch.rpm" }] {
                    let result = try bash(text)
                    #expect(result.isSuccess, "\(result.explanation)\n\(text)")
                }
                let kickstart = host.kickstart
                #expect(kickstart.contains("%packages --ignoremissing\ndemo-base"))
                #expect(kickstart.contains("%end") == (generation != .five))
                #expect(!host.summary.isEmpty)
            }
        }
    }

    @Test func aRenderedScriptDoesOnAHostWhatTheNodeSays() throws {
        let directory = try FileSystem.temporaryDirectory("/tmp/roll-render-")
        defer { try? FileSystem.removeTree(directory) }
        let profile = try profile { fixture in
            try fixture.write(
                "roll/nodes/demo-server.xml",
                """
                <kickstart roll="demo">
                <post>
                <file name="\(directory)/literal" perms="0600">$HOME `date` &lt;&amp;&gt;</file>
                <file name="\(directory)/literal" mode="append">two</file>
                <file name="\(directory)/expanded" vars="expanded">$((1 + 2))</file>
                <file name="\(directory)/empty"/>
                </post>
                </kickstart>
                """)
        }
        for generation in [HostProfile.Generation.five, .six] {
            let host = try HostProfile(profile, root: "server", attributes: [:], generation: generation)
            // Rocks 6 keeps copies in /var/rocks, where the test may not write.
            let script = host.postScripts[0].text.split(separator: "\n").filter { !$0.contains("/var/rocks") }
                .joined(separator: "\n")
            let result = try Posix.Command.run("/bin/bash", ["-e"], input: Array(script.utf8))
            #expect(result.isSuccess, "\(result.explanation)")
            #expect(try FileSystem.readText("\(directory)/literal") == "$HOME `date` <&>\ntwo\n")
            #expect(try FileSystem.readText("\(directory)/expanded") == "3\n")
            #expect(try FileSystem.readText("\(directory)/empty") == "")
            #expect(try FileSystem.status("\(directory)/literal").mode & 0o777 == 0o600)
            #expect(FileSystem.isDirectory("\(directory)/RCS"))
        }
    }

    @Test func whatStopsRocksStopsHere() throws {
        for (old, new, words) in [
            ("os=\"linux\"", "arch=\"&nowhere;\"", "undefined entity"),
            ("os=\"linux\"", "cond='os==\"linux\"'", "is no XML any more"),
            ("<post>\n", "<post>\n<b/>\n", "generator stops at it"),
            ("os=\"linux\"", "cond=\"'x' in nowhere\"", "stops Rocks"),
        ] {
            let profile = try profile {
                try $0.write("roll/nodes/demo-server.xml", Fixture.server.replacing(old, with: new))
            }
            let error = #expect(throws: RollError.self) {
                try HostProfile(profile, root: "server", attributes: [:], generation: .seven)
            }
            #expect(error?.description.contains(words) == true, "\(String(describing: error))")
        }
        let missing = try profile {
            try $0.write(
                "roll/graphs/default/demo.xml", Fixture.graph.replacing("<to>demo-server", with: "<to>demo-nowhere"))
        }
        for (root, words) in [("server", "leads to the node demo-nowhere"), ("sever", "no node sever at which")] {
            let error = #expect(throws: RollError.self) {
                try HostProfile(missing, root: root, attributes: [:], generation: .seven)
            }
            #expect(error?.description.contains(words) == true, "\(String(describing: error))")
        }
    }

    @Test func ordersComeBeforeTheAlphabet() throws {
        let files: [String: String] = [
            "nodes/demo-a.xml": "", "nodes/demo-b.xml": "", "nodes/demo-c.xml": "", "nodes/demo-d.xml": "",
            "graphs/default/demo.xml": """
            <graph roll="demo">
            <edge from="server"><to>demo-a</to><to>demo-b</to><to>demo-c</to><to>demo-d</to></edge>
            <order head="demo-d"><tail>demo-b</tail></order>
            <order head="TAIL"><tail>demo-a</tail></order>
            </graph>
            """,
        ]
        let profile = RollProfile(
            files: files.mapValues { Array(($0.isEmpty ? "<kickstart roll=\"demo\"></kickstart>" : $0).utf8) },
            origin: "")
        let host = try HostProfile(profile, root: "server", attributes: [:], generation: .seven)
        #expect(host.nodes == ["demo-d", "demo-b", "demo-c", "demo-a"])
    }

    @Test func anAttributeEdgeLeaksItsChildrenAndANestedOneDoesNot() throws {
        func nodes(_ edge: String) throws -> [String] {
            let files = [
                "nodes/demo-a.xml": "<kickstart roll=\"demo\"></kickstart>",
                "nodes/demo-b.xml": "<kickstart roll=\"demo\"></kickstart>",
                "graphs/default/demo.xml":
                    "<graph roll=\"demo\">\(edge)<edge from=\"demo-a\"><to>demo-b</to></edge></graph>",
            ]
            let profile = RollProfile(files: files.mapValues { Array($0.utf8) }, origin: "")
            return try HostProfile(profile, root: "server", attributes: [:], generation: .seven).nodes
        }
        #expect(try nodes("<edge from=\"server\" to=\"demo-a\" cond=\"demo\"/>") == ["demo-b"])
        #expect(try nodes("<edge from=\"server\" cond=\"demo\"><to>demo-a</to></edge>") == [])
    }
}
