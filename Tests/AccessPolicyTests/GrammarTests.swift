import Testing

@testable import AccessPolicy

/// What IAM answers to documents that it does not take.
@Suite struct GrammarTests {
    static let syntax = "Syntax errors in policy."
    static let legacy = "The policy failed legacy parsing"
    static let version = "Policy document must be version 2012-10-17 or greater."
    static let vendor = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."

    private func message(_ text: String, _ rules: PolicyRules = .inline) -> String? {
        do throws(PolicyError) {
            try PolicyGrammar.check(Array(text.utf8), rules)
            return nil
        } catch {
            return error.message
        }
    }

    private static let resource = #""Resource":"arn:aws:s3:::b""#

    @Test(arguments: [
        ("{", syntax), ("[]", syntax), ("{}", syntax), (#"{"Statement":[]}"#, syntax),
        (#"{"Statement":["x"]}"#, syntax), (#"{"Statement":{},"More":1}"#, syntax),
        (#"{"Version":"2013-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#, syntax),
        (#"{"Id":[],"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#, syntax),
    ]) func `a document is an object of known elements`(text: String, expected: String) {
        #expect(message(text) == expected)
    }

    @Test(arguments: [
        (#""Effect":"maybe","Action":"s3:Get*",\#(resource)"#, syntax),
        (#""Effect":"denY","Action":"s3:Get*",\#(resource)"#, legacy),
        (#""Action":"s3:Get*",\#(resource)"#, syntax),
        (#""Effect":"Allow",\#(resource)"#, "Policy statement must contain actions."),
        (#""Effect":"Allow","Action":[],\#(resource)"#, "Policy statement must contain actions."),
        (#""Effect":"Allow","Action":"Get",\#(resource)"#, vendor),
        (#""Effect":"Allow","Action":"",\#(resource)"#, vendor),
        (#""Effect":"Allow","Action":"a b:Get",\#(resource)"#, "Vendor a b is not valid"),
        (#""Effect":"Allow","Action":"s3:Get:it",\#(resource)"#, "Actions/Condition can contain only one colon."),
        (#""Effect":"Allow","Action":"s3:Get","NotAction":"s3:Put",\#(resource)"#, syntax),
        (#""Effect":"Allow","Action":{},\#(resource)"#, syntax),
        (#""Effect":"Allow","Action":[[]],\#(resource)"#, syntax),
        (#""Effect":"Allow","Action":"s3:Get""#, "Policy statement must contain resources."),
        (#""Effect":"Allow","Action":"s3:Get","Resource":[]"#, "Policy statement must contain resources."),
        (#""Effect":"Allow","Action":"s3:Get","Resource":"b""#, #"Resource b must be in ARN format or "*"."#),
        (
            #""Effect":"Allow","Action":"s3:Get","Resource":"aws:s3:::b""#,
            #"Partition "s3" is not valid for resource "arn:s3:::b:*"."#
        ),
        (
            #""Effect":"Allow","Action":"s3:Get","Resource":"a:b:c:d:e:f:g:h""#,
            #"Partition "b" is not valid for resource "arn:b:c:d:e:f:g:h"."#
        ),
        (
            #""Effect":"Allow","Action":"s3:Get","Resource":"arn:aws""#,
            "Resource vendor must be fully qualified and cannot contain regexes."
        ),
        (#""Effect":"Allow","Action":"s3:Get","Resource":"arn:aws:s3::b""#, legacy),
        (#""Effect":"Allow","Action":"s3:Get","Resource":"arn:aws::::b""#, legacy),
        (
            #""Effect":"Allow","Action":"s3:Get","Resource":"arn:aws:s3:us-east-1::b""#,
            "Resource arn:aws:s3:us-east-1::b can not contain region information."
        ),
        (
            #""Effect":"Allow","Action":"s3:Get","Resource":"arn:aws:iam:us-east-1::user/b""#,
            "IAM resource arn:aws:iam:us-east-1::user/b cannot contain region information."
        ),
        (#""Sid":{},"Effect":"Allow","Action":"s3:Get",\#(resource)"#, syntax),
        (#""Effect":"Allow","Action":"s3:Get",\#(resource),"Condition":[]"#, syntax),
        (#""Effect":"Allow","Action":"s3:Get",\#(resource),"Condition":{"Sometimes":{"a":"b"}}"#, syntax),
        (#""Effect":"Allow","Action":"s3:Get",\#(resource),"Condition":{"DateEquals":{"a":{}}}"#, syntax),
        (#""Effect":"Allow","Action":"s3:Get",\#(resource),"Condition":{"DateEquals":{"a":"soon"}}"#, legacy),
        (#""Effect":"Allow","Action":"s3:Get",\#(resource),"Condition":{"DateEquals":{"a":"2016-13"}}"#, legacy),
        (
            #""Effect":"Allow","Action":"s3:Get",\#(resource),"Condition":{"DateEquals":{"a":"9223372036854775808"}}"#,
            legacy
        ),
        (
            #""Effect":"Allow","Action":"s3:Get",\#(resource),"Condition":{"DateEquals":{"a":"2016-12-13t2:00:00.5+1"}}"#,
            legacy
        ),
    ]) func `a statement says what IAM wants, or why not`(statement: String, expected: String) {
        #expect(message(#"{"Version":"2012-10-17","Statement":{\#(statement)}}"#) == expected)
    }

    @Test(arguments: [
        #""Action":"*","Resource":"*""#, #""Action":["s3:Get*"],"Resource":["arn:aws:s3:::b",null]"#,
        #""NotAction":"iam:*","NotResource":"arn:aws:iam::111122223333:user/*""#,
        #""Action":"s3:*","Resource":"*","Condition":{"DateLessThan":{"a":"2016-12-13T02:00:00.25+10:59","b":[]}}"#,
        #""Action":"s3:*","Resource":"*","Condition":{"ForAnyValue:StringLikeIfExists":{"a":["b",1,true]}}"#,
        #""Action":"iam:*","Resource":"arn:aws:iam::111122223333:root""#,
    ]) func `what IAM takes is taken, and can be read`(statement: String) throws {
        let text = #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",\#(statement)}]}"#
        #expect(message(text, .managed) == nil)
        _ = try Policy(Array(text.utf8), kind: .identity)
    }

    @Test func `managed policies are of the language's last version, the original's may be of none`() {
        let statement = #""Statement":{"Effect":"Allow","Action":"*","Resource":"*"}"#
        #expect(message("{\(statement)}", .managed) == Self.version)
        #expect(message(#"{"Version":"2008-10-17",\#(statement)}"#, .managed) == Self.version)
        #expect(message("{\(statement)}") == nil)
        #expect(message(#"{"Version":"2008-10-17",\#(statement)}"#) == nil)
    }

    @Test func `statements' names are unique, and roles' policies are about taking them on`() {
        let one = #"{"Sid":"a","Effect":"Allow","Action":"s3:Get","Resource":"*"}"#
        #expect(message("{\"Statement\":[\(one),\(one)]}") == "Statement IDs (SID) in a single policy must be unique.")
        let trust = #""Effect":"Allow","Principal":"*","Action":"sts:AssumeRole""#
        #expect(message("{\"Statement\":{\(trust)}}", .trust) == nil)
        #expect(
            message("{\"Statement\":{\(trust),\"Resource\":\"*\"}}", .trust) == "Has prohibited field Resource.")
        #expect(
            message(#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:Get"}}"#, .trust)?
                .hasPrefix("Trust Policy statement actions can only be sts:AssumeRole") == true)
    }

    @Test func `no document makes the reader crash`() {
        var state: UInt64 = 42
        func random(_ count: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % count
        }
        let seed = Array(
            #"{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Action":["s3:Get*","*"],"Resource":"arn:aws:s3:::b/${aws:username, 'x'}*","Condition":{"DateLessThan":{"aws:CurrentTime":"2016-12-13T02:00:00Z"}}}]}"#
                .utf8)
        for _ in 0..<5000 {
            var bytes = seed
            for _ in 0...random(4) {
                let at = random(bytes.count)
                switch random(3) {
                case 0: bytes[at] = UInt8(random(256))
                case 1: bytes.remove(at: at)
                default: bytes.insert(seed[random(seed.count)], at: at)
                }
            }
            // Whether it is taken is not the question here; what is taken must be readable and decide something.
            if (try? PolicyGrammar.check(bytes, .managed)) != nil, let policy = try? Policy(bytes, kind: .identity) {
                _ = policy.decide(
                    PolicyRequest(principal: nil, action: "s3:GetObject", resource: "arn:aws:s3:::b/x"))
            }
        }
    }
}
