/// A guest of 512 bytes: 16-bit code that speaks on COM1 and then does one thing. It boots in a fraction of a second,
/// also when emulated.
struct BootSector {
    /// What the guest does after its greeting.
    /// The names are the words of Xen's guest.
    enum Action: String, Sendable {
        /// Halts for ever.
        case idles
        /// Powers itself off through ACPI.
        case powersOff = "powers-off"
        /// Waits for the power button, then powers itself off.
        case followsPowerButton = "follows"
        /// Tells the panic device, then halts.
        case panics
        /// Resets itself, the first time only.
        case resetsOnce = "resets"
    }

    var greeting = "hello from the guest\r\n"
    /// Writes the greeting once and then this line so many times.
    var flood: (line: String, times: Int)?
    var action = Action.idles

    /// A bootable disk of 1 MiB.
    var image: [UInt8] {
        // cli; xor %ax,%ax; mov %ax,%ds
        var code: [UInt8] = [0xfa, 0x31, 0xc0, 0x8e, 0xd8]
        var texts: [(patchAt: Int, text: String)] = []
        func printText(_ text: String) {
            // mov $text,%si; 1: lodsb; test %al,%al; jz 2f; mov $0x3f8,%dx; out %al,(%dx); jmp 1b; 2:
            texts.append((code.count + 1, text))
            code += [0xbe, 0, 0, 0xac, 0x84, 0xc0, 0x74, 0x06, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf5]
        }
        printText(greeting)
        if let flood {
            // mov $times,%di; 1: print; dec %di; jnz 1b
            code += [0xbf, UInt8(flood.times & 0xff), UInt8(flood.times >> 8)]
            printText(flood.line)
            code += [0x4f, 0x75, 0xef]
        }
        // mov $0x604,%dx; mov $0x2000,%ax; out %ax,(%dx): the S5 state of the PIIX4
        let powerOff: [UInt8] = [0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef]
        switch action {
        case .idles: break
        case .powersOff: code += powerOff
        case .followsPowerButton:
            // Enables the button's event, polls its status, and clears it.
            code += [0xba, 0x02, 0x06, 0xb8, 0x00, 0x01, 0xef]
            code += [0xba, 0x00, 0x06, 0xed, 0xf6, 0xc4, 0x01, 0x74, 0xf7, 0xef]
            code += powerOff
        case .panics:
            // mov $0x505,%dx; mov $1,%al; out %al,(%dx): QEMU's pvpanic
            code += [0xba, 0x05, 0x05, 0xb0, 0x01, 0xee]
        case .resetsOnce:
            // A byte of the clock's memory outlives the reset: mov $0x72,%al; out %al,$0x70; in $0x71,%al;
            // cmp $0x5a,%al; je 1f; mov $0x72,%al; out %al,$0x70; mov $0x5a,%al; out %al,$0x71;
            // mov $0xcf9,%dx; mov $6,%al; out %al,(%dx); 1:
            code += [0xb0, 0x72, 0xe6, 0x70, 0xe4, 0x71, 0x3c, 0x5a, 0x74, 0x0e]
            code += [0xb0, 0x72, 0xe6, 0x70, 0xb0, 0x5a, 0xe6, 0x71, 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee]
        }
        // 1: hlt; jmp 1b
        code += [0xf4, 0xeb, 0xfd]
        for (patchAt, text) in texts {
            let address = 0x7c00 + code.count
            code[patchAt] = UInt8(address & 0xff)
            code[patchAt + 1] = UInt8(address >> 8)
            code += Array(text.utf8) + [0]
        }
        precondition(code.count <= 510, "the texts do not fit a boot sector")
        code += [UInt8](repeating: 0, count: 510 - code.count) + [0x55, 0xaa]
        return code + [UInt8](repeating: 0, count: (1 << 20) - 512)
    }
}
