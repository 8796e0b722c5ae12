import Testing

@testable import IAMQuery

@Suite struct QRCodeTests {
    /// As another implementation (PyPI qrcode, version 1, level L, mask 3) draws it.
    private static let hello = """
        #######.#.###.#######
        #.....#...##..#.....#
        #.###.#.##.#..#.###.#
        #.###.#.##..#.#.###.#
        #.###.#.#..#..#.###.#
        #.....#..####.#.....#
        #######.#.#.#.#######
        ...........##........
        ####..#.######..###.#
        ##.#.#.##..####..##..
        ..#.###....#.......##
        ##.#.#..##.#..####.#.
        #..####.#...#..#..#.#
        ........#..#..#...#.#
        #######....##..#.....
        #.....#..##....#####.
        #.###.#...#.######.##
        #.###.#.##.#..#.####.
        #.###.#.#...#.##..#..
        #.....#.#....#.##...#
        #######.##...#.#.....
        """

    private func drawn(_ code: QRCode) -> String {
        (0..<code.size).map { y in String((0..<code.size).map { code.isDark($0, y) ? "#" : "." }) }
            .joined(separator: "\n")
    }

    @Test func `a code is drawn as others draw it`() throws {
        let code = try #require(QRCode(Array("HELLO".utf8)))
        #expect(drawn(code) == Self.hello)
    }

    /// The same implementation's drawings of 300 bytes (version 11, in four blocks) by all masks, as FNV-1a.
    private static let large: Set<UInt64> = [
        0xf47a9b09874b5e71, 0xe8267807e7f20f0e, 0xf611acffdc313fd1, 0x79bb5f7d8d5c8c89,
        0x2074c4595a8ded6b, 0x871799fd248b4a50, 0xd2fac948c15eee69, 0x7e507e5030a1db31,
    ]

    @Test func `a code of several blocks is drawn as others draw it by one of the masks`() throws {
        let code = try #require(QRCode((0..<300).map { UInt8($0 * 7 % 256) }))
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in drawn(code).utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        #expect(Self.large.contains(hash))
    }

    @Test func `the version grows with what it holds, up to 858 bytes`() throws {
        #expect(QRCode([])?.size == 21)
        #expect(QRCode([UInt8](repeating: 1, count: 18))?.size == 25)
        // Of 861 codewords of data three tell mode and length.
        #expect(QRCode([UInt8](repeating: 255, count: 858))?.size == 97)
        #expect(QRCode([UInt8](repeating: 0, count: 859)) == nil)
    }

    @Test func `a picture is a PNG of its size`() throws {
        let code = try #require(QRCode(Array("HELLO".utf8)))
        let picture = PNG.image(of: code, scale: 4)
        #expect(picture.starts(with: [0x89, 0x50, 0x4E, 0x47]))
        // Width and height: 29 modules of 4 pixels.
        #expect(Array(picture[16..<24]) == [0, 0, 0, 116, 0, 0, 0, 116])
        // The end, with the checksum that every PNG ends with.
        #expect(picture.suffix(8) == [0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82])
    }

    @Test func `Base32 is as RFC 4648 has it`() {
        for (text, encoded) in [
            ("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            #expect(Base32.encode(Array(text.utf8)) == encoded)
        }
    }
}
