// MD5 (RFC 1321) of one stream, and of several at the same time: one MD5 depends on its last step at each step and leaves
// most of a processor idle, so eight of them in the lanes of vector registers take little longer than one.

#ifndef CMD5_H
#define CMD5_H

#include <stddef.h>
#include <stdint.h>

/// Streams that are hashed at the same time.
#define CMD5_LANES 8

/// What MD5 starts with.
void cmd5_begin(uint32_t state[4]);

/// Takes in whole blocks of 64 bytes.
void cmd5_blocks(uint32_t state[4], const uint8_t *bytes, size_t blocks);

/// Takes in the same number of whole blocks of each stream. A lane that is not used has a state and bytes all the same,
/// which may be another's bytes.
void cmd5_lanes(uint32_t *const states[CMD5_LANES], const uint8_t *const bytes[CMD5_LANES], size_t blocks);

#endif
