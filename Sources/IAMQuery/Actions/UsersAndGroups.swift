import CloudModel
import QueryProtocol
import XML

enum Users {
    static func create(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let user = try await call.backend.createUser(
            name: call.required("UserName"), path: call.path, boundary: call.text("PermissionsBoundary"),
            tags: call.tags, as: call.caller)
        answer.open("User")
        answer.user(user)
        answer.close()
    }

    static func get(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let user = try await call.backend.user(call.text("UserName"), as: call.caller)
        let uses = try await call.backend.credentialUses(as: call.caller)
        answer.open("User")
        answer.user(user, password: uses.passwords[user.id])
        answer.close()
    }

    static func list(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let prefix = call.text("PathPrefix") ?? "/"
        let users = try await call.backend.users(as: call.caller).filter { $0.path.hasPrefix(prefix) }
        let uses = try await call.backend.credentialUses(as: call.caller)
        try call.page(users, position: { $0.id }, &answer) { answer, page in
            answer.members("Users", page) { $0.user($1, full: false, password: uses.passwords[$1.id]) }
        }
    }

    static func update(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.updateUser(
            call.required("UserName"), newName: call.text("NewUserName"), newPath: call.text("NewPath"),
            as: call.caller)
    }

    static func delete(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deleteUser(call.required("UserName"), as: call.caller)
    }
}

enum Groups {
    static func create(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let group = try await call.backend.createGroup(
            name: call.required("GroupName"), path: call.path, as: call.caller)
        answer.open("Group")
        answer.group(group)
        answer.close()
    }

    static func get(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let (group, members) = try await call.backend.group(call.required("GroupName"), as: call.caller)
        answer.open("Group")
        answer.group(group)
        answer.close()
        try call.page(members, position: { $0.id }, &answer) { answer, page in
            answer.members("Users", page) { $0.user($1, full: false) }
        }
    }

    static func list(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        let prefix = call.text("PathPrefix") ?? "/"
        let groups = try await call.backend.groups(as: call.caller).filter { $0.path.hasPrefix(prefix) }
        try write(groups, call, &answer)
    }

    static func ofUser(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try write(
            try await call.backend.groups(ofUser: call.required("UserName"), as: call.caller), call, &answer)
    }

    private static func write(_ groups: [UserGroup], _ call: IAMCall, _ answer: inout XMLWriter) throws(CloudError) {
        try call.page(groups, position: { $0.id }, &answer) { answer, page in
            answer.members("Groups", page) { $0.group($1) }
        }
    }

    static func update(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.updateGroup(
            call.required("GroupName"), newName: call.text("NewGroupName"), newPath: call.text("NewPath"),
            as: call.caller)
    }

    static func delete(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.deleteGroup(call.required("GroupName"), as: call.caller)
    }

    static func add(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.setMembership(
            user: call.required("UserName"), group: call.required("GroupName"), isMember: true, as: call.caller)
    }

    static func remove(_ call: IAMCall, _ answer: inout XMLWriter) async throws(CloudError) {
        try await call.backend.setMembership(
            user: call.required("UserName"), group: call.required("GroupName"), isMember: false, as: call.caller)
    }
}
