#include <zlib.h>

/* inflateInit2 is a macro, which Swift does not import. 15 + 16: gzip and nothing else, with the largest window. */
static inline int zlib_begin_gzip(z_stream *stream) { return inflateInit2(stream, 15 + 16); }
