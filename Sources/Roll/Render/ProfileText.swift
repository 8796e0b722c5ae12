extension HostProfile {
    /// Packages, files, evals and scripts for people to read.
    public var summary: String {
        var lines = ["nodes: \(nodes.isEmpty ? "none" : nodes.joined(separator: ", "))", "", "packages:"]
        lines += packages.map { "  \($0)" }
        lines += excludedPackages.map { "  -\($0)" }
        if !files.isEmpty {
            lines += ["", "files:"]
            for file in files {
                let details = [file.permissions, file.owner, file.mode == "create" ? "" : file.mode, "by \(file.node)"]
                lines.append("  \(file.path)  (\(details.filter { !$0.isEmpty }.joined(separator: ", ")))")
            }
        }
        if !evals.isEmpty {
            lines += ["", "run on the frontend when the kickstart is made, as user apache:"]
            for eval in evals {
                lines.append("  \(eval.mark) (\(eval.shell)), \(eval.path):\(eval.position.line)")
                lines += eval.text.split(separator: "\n").map { "    \($0)" }
            }
        }
        for (title, scripts) in [("before the installation", preScripts), ("after the installation", postScripts)]
        where !scripts.isEmpty {
            lines += ["", "scripts \(title):"]
            for script in scripts {
                let details = [script.interpreter ?? "sh", script.arguments].filter { !$0.isEmpty }
                lines.append("# --- \(script.node) (\(details.joined(separator: " ")))")
                lines.append(script.text)
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private var evalComments: [String] {
        evals.flatMap { eval in
            ["# \(eval.mark) stands for what \(eval.shell) prints on the frontend for:"]
                + eval.text.split(separator: "\n").map { "#   \($0)" }
        }
    }

    /// The post scripts alone, one after the other, as the generation runs them on a host that is installed already.
    public var postText: String {
        (["#!/bin/sh"] + evalComments + installedPosts).joined(separator: "\n") + "\n"
    }

    /// What `rocks run roll` prints: packages, then post scripts.
    ///
    /// - Parameter packageFile: The file of a package by its name; for Rocks 5, which leaves out what is not there.
    public func script(packageFile: (String) -> String?) -> String {
        var lines = ["#!/bin/sh"] + evalComments
        switch generation {
        case .five:
            for name in packages {
                if let file = packageFile(name) { lines.append("rpm -Uhv --force --nodeps \(file)") }
            }
        case .six, .seven:
            lines.append("yum clean all")
            if !packages.isEmpty {
                lines.append("yum --nogpgcheck -y install \(packages.map { "'\($0)'" }.joined(separator: " "))")
            }
        }
        return (lines + installedPosts).joined(separator: "\n") + "\n"
    }

    private var installedPosts: [String] {
        switch generation {
        // Interpreter and arguments are not looked at; and a script in which %post stands is left out.
        case .five: postScripts.map(\.text).filter { !$0.contains("%post") }
        case .six, .seven:
            postScripts.enumerated().filter { $0.element.arguments != "--nochroot" }.flatMap {
                wrapped($0.element, "/tmp/roll-post-\($0.offset + 1)")
            }
        }
    }

    /// A script in a file of its own with its interpreter, as Rocks 6.2 and 7 run it.
    private func wrapped(_ script: Script, _ file: String) -> [String] {
        [
            "# \(script.node)", "cat > \(file) << 'ROCKS-KS-POST'", "#!\(script.interpreter ?? "/bin/bash")",
            script.text,
            "ROCKS-KS-POST", "chmod +x \(file)", file, "rm -f \(file)",
        ]
    }

    /// The roll's part of a kickstart file.
    public var kickstart: String {
        let end = generation == .five ? [] : ["%end"]
        let log = "--log=/mnt/sysimage/var/log/rocks-install.log"
        var lines = ["# The part of a kickstart that comes from this roll."] + evalComments + commands
        lines += ["", "%packages --ignoremissing"] + packages + excludedPackages.map { "-" + $0 } + end
        for script in preScripts {
            lines += ["", "%pre --log=/tmp/ks-pre.log" + options(script), script.text] + end
        }
        for (number, script) in postScripts.enumerated() {
            switch generation {
            case .five: lines += ["", "%post \(log)" + options(script), script.text]
            case .six, .seven:
                let arguments = script.arguments.isEmpty ? "" : " " + script.arguments
                lines += ["", "%post \(log)" + arguments]
                lines += wrapped(script, "/tmp/roll-post-\(number + 1)") + end
            }
        }
        for (name, texts) in [("pre", bootPre), ("post", bootPost)] where !texts.isEmpty {
            lines += ["", "%post \(log)", "cat >> /etc/sysconfig/rocks-\(name) << EOF"] + texts + ["EOF"] + end
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func options(_ script: Script) -> String {
        let interpreter = script.interpreter.map { " --interpreter \($0)" } ?? ""
        return interpreter + (script.arguments.isEmpty ? "" : " " + script.arguments)
    }
}
