#!/usr/bin/env python3
"""Makes manual pages of what a command says of itself: COMMAND --experimental-dump-help | manual.py DIRECTORY

One page for the command and one for each subcommand below it, so that they cannot differ from --help.
"""
import json
import pathlib
import sys


def escaped(text):
    """Text of a paragraph: backslashes and leading dots mean something to troff."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").split("\n")
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in lines)


def option_names(argument):
    value = argument.get("valueName", "value")
    names = []
    for name in argument.get("names", []):
        text = ("--" if name["kind"] == "long" else "-") + name["name"]
        names.append(f"\\fB{escaped(text)}\\fR" + (f" \\fI{escaped(value)}\\fR" if argument["kind"] == "option" else ""))
    return names or [f"\\fI{escaped(value)}\\fR"]


def page(command, path, version):
    name = "-".join(path)
    visible = [a for a in command.get("arguments", []) if a.get("shouldDisplay", True)]
    subcommands = [c for c in command.get("subcommands", []) if c.get("shouldDisplay", True) and c["commandName"] != "help"]
    synopsis = [f"\\fB{escaped(' '.join(path))}\\fR"]
    for argument in visible:
        text = option_names(argument)[-1]
        synopsis.append(f"[{text}]" if argument.get("isOptional", True) else text)
    if subcommands:
        synopsis.append("\\fIcommand\\fR")
    out = [
        f'.TH {name.upper()} 1 "" "{version}" "Mallee"',
        ".SH NAME", f"{escaped(name)} \\- {escaped(command.get('abstract', '').rstrip('.'))}",
        ".SH SYNOPSIS", " ".join(synopsis),
    ]
    if command.get("discussion"):
        out += [".SH DESCRIPTION", escaped(command["discussion"])]
    if subcommands:
        out.append(".SH COMMANDS")
        for subcommand in subcommands:
            out += [".TP", f"\\fB{escaped(' '.join(path + [subcommand['commandName']]))}\\fR",
                    escaped(subcommand.get("abstract", ""))]
    if visible:
        out.append(".SH OPTIONS")
        for argument in visible:
            text = argument.get("abstract", "")
            default = argument.get("defaultValue")
            if default:
                text += f" Default: {default}"
            out += [".TP", ", ".join(option_names(argument)), escaped(text) or "\\&"]
    out.append(".SH SEE ALSO")
    others = ["-".join(path + [c["commandName"]]) for c in subcommands]
    if len(path) > 1:
        others.insert(0, "-".join(path[:-1]))
    others = others or (["mallee"] if name != "mallee" else ["mallee-node"])
    out.append(", ".join(f"\\fB{escaped(other)}\\fR(1)" for other in others))
    return "\n".join(out) + "\n"


def write(command, path, version, directory):
    (directory / ("-".join(path) + ".1")).write_text(page(command, path, version))
    for subcommand in command.get("subcommands", []):
        if subcommand.get("shouldDisplay", True) and subcommand["commandName"] != "help":
            write(subcommand, path + [subcommand["commandName"]], version, directory)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    directory = pathlib.Path(sys.argv[1])
    root = json.load(sys.stdin)["command"]
    write(root, [root["commandName"]], "Mallee", directory)


main()
