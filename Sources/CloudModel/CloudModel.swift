// CloudModel: the values of the cloud, and the decisions that need nothing but values.
//
// Here: typed identifiers, records (instances, images, key pairs, groups, types, accounts), their states and
// state machines, filters, the error vocabulary, and `CloudBackend`, the one door through which every interface
// (EC2 Query, SOAP, native) reaches the cloud. Not here: I/O, storage, wire formats, authentication.
// Failing: decision functions throw `CloudError`; nothing here traps on what a user sends.
