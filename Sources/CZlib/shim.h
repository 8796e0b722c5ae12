#include <zlib.h>

/* inflateInit2 is a macro, which Swift does not import. 15 + 16: gzip and nothing else, with the largest window. */
static inline int zlib_begin_gzip(z_stream *stream) { return inflateInit2(stream, 15 + 16); }

/* The same for packing: gzip, the given level, the usual window and memory. */
static inline int zlib_begin_packing(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
}
