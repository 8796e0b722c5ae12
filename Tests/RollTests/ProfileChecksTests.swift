import Posix
import Roll
import Testing

/// What is found in node and graph files; from a roll's sources, without packages.
@Suite struct ProfileChecksTests {
    private func check(server: String = Fixture.server, graph: String = Fixture.graph, more: [String: String] = [:])
        throws
        -> [Finding]
    {
        let fixture = try Fixture()
        try fixture.write("roll/nodes/demo-server.xml", server)
        try fixture.write("roll/graphs/default/demo.xml", graph)
        for (name, text) in more { try fixture.write("roll/\(name)", text) }
        return verify(fixture.path("roll"))
    }

    @Test func soundSourcesAreAllRight() throws {
        let findings = try check()
        #expect(findings.isEmpty, "\(findings.map(\.text).joined(separator: "\n"))")
    }

    @Test(arguments: [
        ("<kickstart roll=\"demo\">", "<!DOCTYPE kickstart []>\n<kickstart roll=\"demo\">", "DOCTYPE", 2),
        ("standalone=\"no\"?>\n", "standalone=\"no\"?>", "Rocks drops the whole line", 1),
        ("<kickstart roll=\"demo\">", "<kickstart>", "has no attribute roll", 2),
        ("<kickstart roll=\"demo\">", "<kickstart roll=\"other\">", "skips it", 2),
        ("&amp;&amp;", "&&", "&& is &amp;&amp;", 10),
        ("</package>\n<post>", "</pakage>\n<post>", "is no XML", 5),
        ("os=\"linux\"", "cond='os==\"linux\"'", "the value of cond contains \"", 4),
        ("os=\"linux\"", "cond=\"rank &lt; 3\"", "the value of cond contains <", 4),
        ("os=\"linux\"", "cond=\"demo &amp;&amp; os\"", "write 'and', 'or', 'not'", 4),
        ("os=\"linux\"", "cond=\"demo = 1\"", "compare with '=='", 4),
        ("os=\"linux\"", "cond=\"demo == True\"", "True in a condition is None", 4),
        ("os=\"linux\"", "arch=\"&demo_arch;\"", "undefined entity", 4),
        ("<package>demo-base", "<package>demo-base demo-client", "more than one name", 5),
        ("<package>demo-base", "<package>", "names no package", 5),
        ("<post>", "<post interpreter=\"/usr/bin/python\">", "feeds the text to the shell", 6),
        ("<post>\n", "<post>\n<package>x</package>\n", "stands within <post>", 7),
        ("<post>\n", "<post>\n<b/>\n", "generator stops at it", 7),
        ("<post>\n", "<post>\n%end\n", "ends the script for the installer", 7),
        ("<post>\n", "<post>\necho %post\n", "contains %post", 7),
        ("<post>\n", "<post>\nROCKS-KS-POST\n", "ends the script in Rocks 6 and 7", 7),
        ("<eval>", "EOF\n<eval>", "ends the file here", 8),
        ("/etc/demo/secret", "/etc/rc.d/rocksconfig.d/demo", "pre-NN-name or post-NN-name", 7),
        ("/etc/demo/secret", "/etc/rc.d/rocksconfig.d/post-80-demo", "is not executable", 7),
        ("name=\"/etc/demo/secret\"", "name=\"etc/secret\"", "is not absolute", 7),
        ("name=\"/etc/demo/secret\"", "", "<file> has no name", 7),
        ("perms=\"0400\"", "perms=\"rw\"", "perms is \"rw\"", 7),
        ("perms=\"0400\"", "mode=\"update\"", "mode is \"update\"", 7),
        ("perms=\"0400\"", "vars=\"some\"", "vars is \"some\"", 7),
        ("<eval>echo secret</eval>", "<b>x</b>", "stands within <file>", 8),
    ])
    func whatRocksTripsOverInANodeIsFound(old: String, new: String, words: String, line: Int) throws {
        expectError(
            try check(server: Fixture.server.replacing(old, with: new, maxReplacements: 1)), words,
            at: "nodes/demo-server.xml", line: line)
    }

    @Test(arguments: [
        ("&Kickstart_PrivateAddress;", "&Kickstart_PrivatAddress;", "is no attribute of Rocks", 10),
        ("&Kickstart_PrivateAddress;", "&demo;", "empty when the roll is run on the frontend for the first time", 10),
        ("<post>", "<post arg=\"--nochroot\">", "ignores arg", 6),
        ("os=\"linux\"", "release=\"5.4\"", "it never holds", 4),
        ("perms=\"0400\"", "mode=\"pipe\"", "exists since Rocks 6.2", 7),
        ("perms=\"0400\"", "cond=\"demo\"", "cond has no meaning on <file>", 7),
        ("<post>\n", "<post>\n<![CDATA[ &hostname; ]]>\n", "is not replaced within CDATA", 7),
        ("echo &Kick", "echo ü &Kick", "which is not ASCII", 9),
        ("rocks set attr", "rocks add attr", "stops if the attribute is there", 11),
        ("rocks set attr", "/opt/rocks/bin/rocks add host attr", "stops if the attribute is there", 11),
    ])
    func whatIsDoubtfulInANodeIsAWarning(old: String, new: String, words: String, line: Int) throws {
        let findings = try check(server: Fixture.server.replacing(old, with: new, maxReplacements: 1))
        #expect(
            findings.contains { $0.severity == .warning && $0.message.contains(words) && $0.position?.line == line },
            "\(findings.map(\.text))")
    }

    @Test func aFileInADirectoryThatNobodyMakesIsFound() throws {
        let (fixture, image) = try Fixture.shared()
        _ = image
        let other = try Fixture()
        try other.write(
            "roll/nodes/demo-server.xml", Fixture.server.replacing("/etc/demo/secret", with: "/etc/nowhere/secret"))
        try other.buildKickstart()
        // Newer than the one in the shared directory, whatever the clock's resolution.
        try FileSystem.touch(
            other.path("packages/noarch/roll-demo-kickstart-1.0-1.noarch.rpm"), at: 2_000_000_000_000)
        var builder = other.builder
        builder.packageDirectories = [fixture.path("packages"), other.path("packages")]
        let findings = verify(try builder.build()[0].path)
        expectError(
            findings, "<file> does not make the directory /etc/nowhere", at: "nodes/demo-server.xml", line: 7)
    }

    @Test(arguments: [
        ("<graph roll=\"demo\">", "<graph>", "has no attribute roll", 2),
        ("<graph roll=\"demo\">", "<!DOCTYPE graph []>\n<graph roll=\"demo\">", "is no XML", 2),
        (" cond=\"demo\"><to>", "><to cond=\"demo\">", "stops every host of the cluster", 4),
        ("cond=\"demo\"", "cond=\"demo and\"", "no Python that Rocks can evaluate", 4),
        ("cond=\"demo\"", "cond=\"False or demo\"", "False in a condition is None", 4),
        ("<to>demo-client</to>", "<to> demo-client </to>", "the spaces are part of the node's name", 4),
        ("<to>demo-client</to>", "<to>demo-nowhere</to>", "of which there is no file", 4),
        ("from=\"client\" ", "", "stands in an edge without the attribute from", 4),
        ("<order ", "<order gen=\"other\" ", "takes its nodes out of every kickstart", 5),
        ("head=\"database-data\"", "head=\"database-date\"", "the order names the node database-date", 5),
        (
            "</graph>",
            "<edge from=\"demo-client\" cond=\"demo\"><to>demo-server</to></edge>\n"
                + "<edge from=\"demo-server\" cond=\"demo\"><to>demo-client</to></edge>\n</graph>",
            "the edges form a cycle: demo-client → demo-server → demo-client", 6
        ),
        (
            "</graph>", "<edge from=\"demo-client\" to=\"demo-client\" cond=\"demo\"/>\n</graph>",
            "the edges form a cycle: demo-client → demo-client", 6
        ),
        (
            "</graph>", "<edge from=\"demo-client\"><to>demo-server</to></edge>\n</graph>",
            "repeat the condition", 6
        ),
    ])
    func whatRocksTripsOverInAGraphIsFound(old: String, new: String, words: String, line: Int) throws {
        let findings = try check(graph: Fixture.graph.replacing(old, with: new, maxReplacements: 1))
        #expect(
            findings.contains {
                $0.severity == .error && ($0.message.contains(words) || $0.cure.contains(words))
                    && $0.path.hasSuffix("graphs/default/demo.xml") && $0.position?.line == line
            }, "\(findings.map(\.text).joined(separator: "\n"))")
    }

    @Test func aScriptThatUsesTheDatabaseNeedsAnOrder() throws {
        let graph = Fixture.graph.replacing("<order head=\"database-data\"><tail>demo-server</tail></order>", with: "")
        expectError(
            try check(graph: graph), "no order puts demo-server after database-data", at: "demo-server.xml", line: 11)
    }

    @Test func namesThatCollideAreFound() throws {
        let text = Fixture.client
        let findings = try check(more: [
            "nodes/ssh.xml": text, "nodes/extend-compute.xml": text, "nodes/other.xml": text,
        ])
        expectError(findings, "replaces the one of Rocks itself", at: "nodes/ssh.xml")
        expectError(findings, "for the site's own changes", at: "nodes/extend-compute.xml")
        expectError(findings, "does not begin with demo-", at: "nodes/other.xml")
        #expect(findings.contains { $0.severity == .warning && $0.message.contains("no edge leads to this node") })
    }
}
